"""Interfaces of other programs, for what was written for them."""
