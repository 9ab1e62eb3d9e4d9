"""What the verbs do: load, run, show, compare, decide, import."""
