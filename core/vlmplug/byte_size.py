"""Sizes in bytes, as people write and read them."""

from __future__ import annotations

import re

from vlmplug.errors import OptionError

GIB = 2**30
_UNITS = {
    "b": 1,
    **{f"{letter}{ending}": 1000**power for power, letter in enumerate("kmgt", 1) for ending in ("", "b")},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", 1)},
}
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*([A-Za-z]+)")


def parse_size(text: str, where: str) -> int:
    """Bytes of ``24GB`` (10**9 each), ``24GiB`` (2**30 each), ``500 MB`` …; ``24G`` is ``24GB``.

    :param where: what the text was given for, for the message.
    :raises OptionError: it is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2].lower() not in _UNITS:
        raise OptionError(f"{where}: {text!r} is no size.", "Write a number and a unit, for example 24GB or 22.5GiB.")
    return int(float(match[1]) * _UNITS[match[2].lower()])


def gibibytes(size: int) -> str:
    """``18.3 GiB``; small sizes in MiB."""
    return f"{size / GIB:.1f} GiB" if size >= GIB // 10 else f"{size / 2**20:.1f} MiB"
