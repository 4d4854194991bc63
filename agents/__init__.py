"""Who acts: Mesa agents and their behavior, computed on arrays.

Nothing here imports `model` or `analysis`: a copy does not know what training will make of it.
"""
