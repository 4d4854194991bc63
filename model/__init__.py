"""What time and training do to the copies: parameters, phases, selection, records, the model."""

if not __name__.startswith("multicopy."):
    raise ImportError(f"import multicopy.{__name__}: a second copy of it would share nothing")
