"""Kinds of stages, a file each: what is hashed, what is read and written, and the work."""
