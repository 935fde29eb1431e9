"""Words of remedies that hold for both ways of calling."""

from __future__ import annotations


def either(python: str, flags: str) -> str:
    """How the same thing is said in Python and at the command line."""
    return f"{python} in Python, {flags} at the command line"


#: Where a checkpoint is.
MODEL_FOLDER = either("load(…, folder=FOLDER)", "--model-dir FOLDER")
#: Where checkpoints come from.
OTHER_HUB = f"the other hub ({either('HubOptions(hub=…)', '--hub')})"
