"""Masks: files, what their values mean, and the sets of them that networks see."""
