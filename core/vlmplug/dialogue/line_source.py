"""Where the lines of a dialogue come from."""

from __future__ import annotations

from typing import Protocol, TextIO


class LineSource(Protocol):
    """Gives one line after the other."""

    @property
    def interactive(self) -> bool:
        """Whether somebody sits in front of it, who can be told to try again."""

    def read(self, prompt: str) -> str:
        """The next line, without its end.

        :raises EOFError: there is none. :raises KeyboardInterrupt: Ctrl-C.
        """


class StreamLines:
    """Lines of a stream.

    :param screen: where the prompt is shown; None: nobody sees it.
    """

    interactive = False

    def __init__(self, stream: TextIO, screen: TextIO | None = None) -> None:
        self._stream, self._screen = stream, screen
        self._ahead: str | None = None

    def begins(self) -> bool:
        """Whether a line comes that is not blank; waits for it, and keeps it for `read`."""
        line = self._stream.readline()
        while line and not line.strip():
            line = self._stream.readline()
        self._ahead = line
        return bool(line)

    def read(self, prompt: str) -> str:
        """As `LineSource.read`."""
        if self._screen is not None:
            print(prompt, end="", file=self._screen, flush=True)
        line, self._ahead = self._stream.readline() if self._ahead is None else self._ahead, None
        if not line:
            raise EOFError
        return line.rstrip("\r\n")
