"""Figures that any study uses; `every.py` has them by name."""
