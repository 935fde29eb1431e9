"""The engine's end of one worker process: starts it, calls it, and notices its death at once."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from vlmplug.engine.worker_messages import Call, Done, Failed, Message, Output, received, send
from vlmplug.errors import EngineStoppedError

_END_SECONDS = 5.0
#: Not multiprocessing's spawn, which would run the caller's script a second time.
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from vlmplug.engine.late_compile import compiled_when_called
with compiled_when_called():
    from vlmplug.engine.worker import main
    main(int(sys.argv[1]))
"""


@dataclass(frozen=True)
class Listener:
    """Who hears of a worker's outputs and of its unexpected end; called in another thread."""

    output: Callable[[Any], None]
    ended: Callable[[BaseException], None]


class WorkerLink:
    """One worker process."""

    def __init__(self, rank: int, listener: Listener) -> None:
        self.rank, self._listener = rank, listener
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        self._end: BaseException | None = None
        self._socket, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), json.dumps(sys.path)]
            self._process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL)
        self._connection = Connection(os.dup(self._socket.fileno()))
        threading.Thread(target=self._read, name=f"vlmplug-worker-{rank}", daemon=True).start()

    def call(self, method: str, *arguments: Any) -> Future[Any]:
        """Asks for a method; the future ends with what it returns or raises.

        A worker that is gone ends it with `EngineStoppedError`.
        """
        future: Future[Any] = Future()
        number = next(self._numbers)
        with self._lock:
            if self._end is not None:
                future.set_exception(self._end)
                return future
            self._waiting[number] = future
        try:
            send(self._connection, Call(number, method, arguments))
        except OSError:
            self._fail(self._death())
        return future

    def close(self) -> None:
        """Ends the process, by force where it does not end by itself; repeating it is harmless."""
        self._fail(EngineStoppedError(f"Worker {self.rank} was closed."), silent=True)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # the worker and our reading thread see the end
        self._socket.close()
        for end in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(_END_SECONDS)
                return
            except subprocess.TimeoutExpired:
                end()
        self._process.wait()

    def _read(self) -> None:
        while True:
            try:
                self._take(received(self._connection))
            except (EOFError, OSError):
                self._fail(self._death())
                self._connection.close()
                return

    def _take(self, message: Message) -> None:
        if isinstance(message, Output):
            self._listener.output(message.value)
        elif isinstance(message, Failed) and message.number is None:
            self._fail(message.error)
        elif isinstance(message, Done | Failed):
            self._settle(message)

    def _settle(self, answer: Done | Failed) -> None:
        with self._lock:
            future = self._waiting.pop(answer.number, None) if answer.number is not None else None
        if future is None:
            return
        if isinstance(answer, Done):
            future.set_result(answer.value)
        else:
            future.set_exception(answer.error)

    def _fail(self, error: BaseException, silent: bool = False) -> None:
        """Whatever waits, and all that comes, ends with ``error``."""
        with self._lock:
            if self._end is not None:
                return
            self._end, waiting = error, list(self._waiting.values())
            self._waiting.clear()
        for future in waiting:
            _give_up(future, error)
        if not silent:
            self._listener.ended(error)

    def death(self, seconds: float) -> EngineStoppedError | None:
        """How its process ended; None: it lives on for ``seconds``."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return self._death()

    def _death(self) -> EngineStoppedError:
        try:
            code = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return EngineStoppedError(f"Worker {self.rank} does not answer any more.", "Send the request again.")
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return EngineStoppedError(f"Worker {self.rank} {how}.", "Send the request again: a new engine starts.")


def _give_up(future: Future[Any], error: BaseException) -> None:
    try:
        future.set_exception(error)
    except InvalidStateError:
        return
