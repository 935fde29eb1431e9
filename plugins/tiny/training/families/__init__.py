"""Tiny trained checkpoints of the other families: what each one is, and the one program that makes them all."""
