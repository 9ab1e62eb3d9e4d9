"""What `abl audit` does: from files of out-of-fold predictions to the labels to look at."""
