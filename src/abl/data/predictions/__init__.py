"""Files of predictions that any program made: rows, values, networks side by side."""
