"""Asking the person at the terminal before something is done that cannot be undone."""

from __future__ import annotations

import sys

from vlmplug.errors import OptionError


def agreed(question: str, yes: bool) -> bool:
    """Whether it may be done. :param yes: the flag ``--yes`` has answered already.

    :raises OptionError: nobody is there to be asked.
    """
    if yes:
        return True
    if not sys.stdin.isatty():
        raise OptionError(f"Nobody is there to be asked: {question}", "Say so with --yes.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
