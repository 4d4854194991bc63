"""What the story stands on and does not tell: compiled loops, threads, arithmetic, draws, state.

No word of the story is here, and nothing here imports what lies above it.
"""
