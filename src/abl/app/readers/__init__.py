"""What `abl readers` does: answers of readers, compared over readers and cases."""
