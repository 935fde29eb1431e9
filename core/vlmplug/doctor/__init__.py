"""The doctor: what of this machine and of the installed plugins works, what does not, and how to mend it."""
