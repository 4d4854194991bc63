"""The commands of `run.py`: a module for each group, and what they print with.

Those of sweeps, reports and genealogies are in the folders of what they do.
"""
