"""What the runs mean: writing, reading, drawing and comparing them. Figures never simulate."""
