"""Images that are nearly the same: found, grouped, kept on one side."""
