"""What time and training do to the copies: parameters, phases, selection, records, the model."""
