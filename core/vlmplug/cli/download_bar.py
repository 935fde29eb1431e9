"""How a download shows itself on the standard error: a bar on a terminal, a line now and then everywhere else."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, NoReturn

from vlmplug.cli.output import remark
from vlmplug.hub.disk import readable

if TYPE_CHECKING:
    from tqdm import tqdm

#: Seconds between two lines.
_PAUSE = 10.0


class DownloadBar:
    """Satisfies `vlmplug.hub.Progress`."""

    def __init__(self, pause: float = _PAUSE) -> None:
        self._bar: tqdm[NoReturn] | None = None
        self._pause, self._total, self._done, self._said = pause, 0, 0, 0.0

    def begin(self, total: int, done: int) -> None:
        """Shows a bar where there is something to fetch, on a terminal."""
        self._total, self._done, self._said = total, done, time.monotonic()
        if done < total and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=done, unit="B", unit_scale=True, file=sys.stderr, dynamic_ncols=True)

    def advance(self, count: int) -> None:
        """Moves the bar, or says from time to time how far it is."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
        elif time.monotonic() - self._said >= self._pause:
            self._say()

    def note(self, text: str) -> None:
        """A remark above the bar."""
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            remark(f"note: {text}")

    def end(self) -> None:
        """Leaves the bar as it is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _say(self) -> None:
        self._said = time.monotonic()
        share = 100 * self._done // self._total if self._total else 100
        remark(f"{readable(self._done)} of {readable(self._total)} ({share} %)")
