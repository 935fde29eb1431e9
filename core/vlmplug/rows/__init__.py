"""Many questions from a file with one JSON document a line, and their answers into another, resumable at any moment."""
