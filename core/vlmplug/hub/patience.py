"""Trying again, a bounded number of times, with bounded pauses that a hub may lengthen and a caller may end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from vlmplug.errors import HubError, HubUnreachableError
from vlmplug.hub.options import Patience
from vlmplug.remedy import OTHER_HUB

_Result = TypeVar("_Result")


class Transient(Exception):
    """Something that may be gone at the next try.

    - ``restart``: what is here of the file is of no use. ``hopeless``: another try would end the same way.
    - ``wait``: seconds that the hub asks for. ``error``: what is raised in the end; None: the hub is unreachable.
    """

    def __init__(
        self,
        reason: str,
        *,
        restart: bool = False,
        hopeless: bool = False,
        wait: float | None = None,
        error: HubError | None = None,
    ) -> None:
        super().__init__(reason)
        self.restart, self.hopeless, self.wait, self.error = restart, hopeless, wait, error


class Stopped(Exception):
    """The download was given up elsewhere; its own error is raised there."""


class Attempts:
    """The tries at one thing.

    :param place: what is tried, for the message. ``stop``: set when all work is to end.
    """

    def __init__(self, patience: Patience, place: str, stop: threading.Event) -> None:
        self._patience, self._place, self._stop = patience, place, stop
        self._failed = 0

    def run(self, action: Callable[[], _Result]) -> _Result:
        """The result of the first try that succeeds.

        :raises HubError: none did. :raises Stopped: all work is to end.
        """
        while True:
            self.check()
            try:
                return action()
            except Transient as failure:
                self.failed(failure)

    def check(self) -> None:
        """:raises Stopped: all work is to end."""
        if self._stop.is_set():
            raise Stopped

    def progressed(self) -> None:
        """Something new is here: the next failure counts as the first."""
        self._failed = 0

    def failed(self, failure: Transient) -> None:
        """Waits before the next try.

        :raises HubError: there is none.
        """
        self._failed += 1
        pause = failure.wait if failure.wait is not None else self._patience.pause * 2 ** (self._failed - 1)
        asks_too_much = failure.wait is not None and failure.wait > self._patience.longest_pause
        if failure.hopeless or asks_too_much or self._failed >= self._patience.attempts:
            raise failure.error or self._unreachable(failure) from failure
        if self._stop.wait(min(pause, self._patience.longest_pause)):
            raise Stopped

    def _unreachable(self, failure: Transient) -> HubUnreachableError:
        tries = f" after {self._failed} tries" if self._failed > 1 else ""
        if failure.hopeless:
            return HubUnreachableError(
                f"{self._place} cannot be trusted: {failure}.",
                "Name the file with the certificates that you trust: SSL_CERT_FILE.",
            )
        return HubUnreachableError(
            f"{self._place} cannot be reached{tries}: {failure}.",
            "Check the network and the proxy (HTTPS_PROXY), name a mirror (HF_ENDPOINT, MODELSCOPE_ENDPOINT) or take "
            f"{OTHER_HUB}; what is here already is kept.",
        )
