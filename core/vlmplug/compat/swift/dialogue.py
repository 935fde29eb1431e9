"""The turns of a request, in either of the ways in which scripts write them: query and history, or messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlmplug.compat.swift.media_tags import listed_media
from vlmplug.compat.swift.messages import ListedMessage, read_messages
from vlmplug.conversation import Part
from vlmplug.errors import ConversationError, PlacementError
from vlmplug.nearest import nearest

#: Keys of a request that mean something.
KEYS = ("query", "history", "system", "images", "videos", "objects", "messages")
#: Keys that swift's own programs put there, and that change nothing.
IDLE = ("response", "truncation_strategy", "label")
_REFUSED = {
    "audios": "No model here takes audio.",
    "tools": "Describe them in 'system'; vlmplug's own messages take tools, where a family has words for them.",
}
_ROLES = {"query_role": "user", "history_roles": "user"}
_HISTORY_FIX = "Give a list of [query, response] pairs."


@dataclass(frozen=True)
class Placed:
    """The user's turns where messages bring their media themselves.

    - ``turns``: the parts of each.
    - ``exact``: whether media stand exactly where they are among the texts.
    """

    turns: tuple[tuple[Part, ...], ...]
    exact: bool


@dataclass(frozen=True)
class Dialogue:
    """What was said, as the caller wrote it.

    - ``history``: earlier turns, query and response. ``query``: what is asked now.
    - ``system``: None: the template's. ``images``, ``videos``: sources that were listed, those of all turns.
    - ``placed``: None: the media are those that were listed, and tags in the texts are their places.
    """

    query: str
    history: tuple[tuple[str, str], ...]
    system: str | None
    images: tuple[Any, ...]
    videos: tuple[Any, ...]
    placed: Placed | None = None

    @property
    def queries(self) -> list[str]:
        """All turns of the user."""
        return [*(query for query, _ in self.history), self.query]

    def answered(self, response: str) -> list[list[str]]:
        """The history with the answer behind it, in new lists."""
        return [*self.unanswered(), [self.query, response]]

    def unanswered(self) -> list[list[str]]:
        """The history as it was, in new lists."""
        return [list(pair) for pair in self.history]


def read_dialogue(request: Any) -> Dialogue:
    """The turns of a request.

    Keys that mean nothing are passed over, as swift does, unless they look like one that does.

    :raises ConversationError: no query, a misspelt key, tools or audio, or values of the wrong type.
    :raises PlacementError: media are listed beside messages that bring their own.
    """
    if not isinstance(request, Mapping):
        raise ConversationError(f"It is a {type(request).__name__}.", "Give a dict like {'query': 'Hello'}.")
    _check_keys(request)
    images, videos = listed_media(request.get("images")), listed_media(request.get("videos"))
    if request.get("messages") is not None:
        return _from_messages(request, images, videos)
    if "query" not in request:
        raise ConversationError("There is no 'query'.", "Write {'query': 'What is this?', 'images': [...]}.")
    history = tuple(_pair(pair, number) for number, pair in enumerate(_pairs(request.get("history"))))
    system = request.get("system")
    if system is not None:
        _text(system, "system")
    return Dialogue(_text(request["query"], "query"), history, system, tuple(images), tuple(videos))


def _check_keys(request: Mapping[Any, Any]) -> None:
    for key, value in request.items():
        if value is None or value == [] or key in (*KEYS, *IDLE):
            continue
        if key in _REFUSED:
            raise ConversationError(f"{key!r} cannot be had here.", _REFUSED[key])
        if key in _ROLES:
            _check_roles(key, value)
        elif meant := nearest(str(key), KEYS, 1):
            raise ConversationError(f"There is no {key!r}.", f"Did you mean {meant[0]!r}?")


def _check_roles(key: str, value: Any) -> None:
    roles = [role for pair in value for role in pair][::2] if isinstance(value, list | tuple) else [value]
    if any(role != _ROLES[key] for role in roles):
        raise ConversationError(f"{key} is {value!r}.", "The official prompts know user and assistant only.")


def _pairs(given: Any) -> Sequence[Any]:
    if given is None:
        return ()
    if not isinstance(given, list | tuple):
        raise ConversationError(f"history is a {type(given).__name__}.", _HISTORY_FIX)
    return given


def _pair(pair: Any, number: int) -> tuple[str, str]:
    where = f"history[{number}]"
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise ConversationError(f"{where} is no pair.", _HISTORY_FIX)
    return _text(pair[0], f"{where}[0]"), _text(pair[1], f"{where}[1]")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ConversationError(f"{where} is a {type(value).__name__}.", "Give a string.")
    return value


def _from_messages(request: Mapping[str, Any], images: list[Any], videos: list[Any]) -> Dialogue:
    if beside := [key for key in ("query", "history") if request.get(key)]:
        raise ConversationError(f"'{beside[0]}' stands beside 'messages'.", "Give one of the two.")
    turns = read_messages(request["messages"])
    system = _system(request, turns.pop(0) if turns and turns[0].role == "system" else None)
    expected = ["user", "assistant"] * len(turns)
    if len(turns) % 2 == 0 or [turn.role for turn in turns] != expected[: len(turns)]:
        raise ConversationError(
            "The roles of 'messages' are out of order.",
            "Start with an optional system message, then alternate user and assistant, ending with the user's.",
        )
    texts = [turn.text for turn in turns]
    history = tuple(zip(texts[:-1:2], texts[1::2], strict=True))
    placed = _placed(turns, {"images": images, "videos": videos})
    return Dialogue(texts[-1], history, system, tuple(images), tuple(videos), placed)


def _system(request: Mapping[str, Any], message: ListedMessage | None) -> str | None:
    given = request.get("system")
    if message is None:
        return None if given is None else _text(given, "system")
    if given:
        raise ConversationError("'system' stands beside a system message.", "Give one of the two.")
    _check_no_media(message)
    return message.text


def _placed(turns: Sequence[ListedMessage], listed: Mapping[str, Sequence[Any]]) -> Placed | None:
    """The user's turns as parts, where messages bring their media themselves, or are written in parts throughout."""
    for answer in turns[1::2]:
        _check_no_media(answer)
    questions, beside = turns[::2], [key for key, media in listed.items() if media]
    exact = any(question.in_parts for question in questions)
    if not any(question.media for question in questions):
        return Placed(tuple(turn.parts for turn in questions), exact) if exact and not beside else None
    if beside:
        raise PlacementError(f"{beside[0]} stands beside messages with media.", "Put it into the messages.")
    return Placed(tuple(turn.parts for turn in questions), exact)


def _check_no_media(message: ListedMessage) -> None:
    if message.media:
        raise ConversationError(f"The {message.role}'s message holds media.", "Put media into user messages only.")
