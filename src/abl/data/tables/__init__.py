"""Tables and class folders as people write them: rows, words, names that look alike."""
