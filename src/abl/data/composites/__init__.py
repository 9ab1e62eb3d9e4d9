"""Composite frames of a scanner: two images of one place side by side, found and split."""
