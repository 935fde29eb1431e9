"""The command line; `main` is the entry point ``vlmplug``."""

from __future__ import annotations

from vlmplug.cli.main import main

__all__ = ["main"]
