"""Run folders: written whole, read without trust, repeated, and loaded as tidy tables."""
