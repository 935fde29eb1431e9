"""NEVER EDIT: a plugin written for hook API 1, which has to run as it is on every host that supports that version."""
