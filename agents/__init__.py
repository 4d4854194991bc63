"""Who acts: Mesa agents and their behavior, computed on arrays.

Nothing here imports `model` or `analysis`: a copy does not know what training will make of it.
"""

if not __name__.startswith("multicopy."):
    raise ImportError(f"import multicopy.{__name__}: a second copy of it would share nothing")
