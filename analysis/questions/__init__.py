"""Questions with their answers: effects, shares, sensitivity, theory, descent, ...

Each computes tables from tables of runs; some draw a figure of their own.
"""
