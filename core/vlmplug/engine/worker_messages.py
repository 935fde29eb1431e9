"""What an engine and its workers say to each other, over a socket pair that no other process can open."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Call:
    """The engine asks for a method; ``number`` is repeated in the answer."""

    number: int
    method: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Done:
    """What a call returned."""

    number: int
    value: Any


@dataclass(frozen=True)
class Failed:
    """What a call raised; ``number`` None: what ended the worker's own loop."""

    number: int | None
    error: BaseException


@dataclass(frozen=True)
class Output:
    """The outputs of one step, as numpy arrays."""

    value: Any


Message: TypeAlias = Call | Done | Failed | Output


def send(connection: Connection, message: Message) -> None:
    """Sends a message; tensors travel by value.

    :raises OSError: the other end is closed.
    """
    connection.send_bytes(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))


def received(connection: Connection) -> Any:
    """The next message, waited for.

    :raises EOFError: the other end is closed. :raises OSError: likewise.
    """
    return pickle.loads(connection.recv_bytes())
