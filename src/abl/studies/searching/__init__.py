"""Search inside a plan: points become stages, the best of them a tuned arm."""
