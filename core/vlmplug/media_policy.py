"""What may be read to open the pictures and clips of a request, and how long that may take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from vlmplug.errors import OptionError
from vlmplug.number import check_whole, is_number

Addresses = Literal["any", "public", "none"]

ADDRESSES: tuple[Addresses, ...] = get_args(Addresses)


@dataclass(frozen=True)
class MediaPolicy:
    """Limits on the sources of media.

    - ``local_files``: whether files may be named, by path or by ``file:`` address.
    - ``addresses``: which ``http:`` and ``https:`` addresses are fetched: ``any``, only those of ``public`` machines
      (no loopback, no private network, whatever name or redirect leads there), or ``none``. In any case a redirect
      from a public machine to one that is not public is refused.
    - ``download_bytes``: size of one download at the most.
    - ``download_seconds``: what one download may take in all, name resolution and redirects included.
    - ``redirects``: how many one download may follow.

    :raises OptionError: a value of another type, or out of range.
    """

    local_files: bool = True
    addresses: Addresses = "any"
    download_bytes: int = 1 << 28
    download_seconds: float = 60.0
    redirects: int = 5

    def __post_init__(self) -> None:
        if self.addresses not in ADDRESSES:
            raise OptionError(f"addresses is {self.addresses!r}.", f"Use one of {', '.join(ADDRESSES)}.")
        if not isinstance(self.local_files, bool):
            raise OptionError(f"local_files is {self.local_files!r}.", "Give true or false.")
        check_whole("download_bytes", self.download_bytes, 1)
        check_whole("redirects", self.redirects, 0)
        seconds = self.download_seconds
        if not is_number(seconds) or not 0 < seconds < math.inf:
            raise OptionError(f"download_seconds is {seconds!r}.", "Give a number of seconds above 0.")
