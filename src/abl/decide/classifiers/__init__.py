"""Classifiers of features: kernels composed from networks' own, probabilities that keep ranks."""
