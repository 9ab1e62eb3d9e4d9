"""What `abl decide` does: from files of predictions to final ones and their scores."""
