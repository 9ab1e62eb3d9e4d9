"""Points of a search: spaces, samplers, generations, and the study on the disk (Optuna)."""
