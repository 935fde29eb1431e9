"""A conversation at a terminal: lines that are read, media in them, words that steer, and answers."""
