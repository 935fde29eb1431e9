"""What a row asks: a request of ms-swift, or messages that bring their media themselves, as OpenAI has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmplug.compat.swift.dialogue import Dialogue, read_dialogue
from vlmplug.compat.swift.media_tags import IMAGES, VIDEOS
from vlmplug.compat.swift.request import RequestDefaults, read_request
from vlmplug.errors import PlacementError, RequestError
from vlmplug.pipeline import Request
from vlmplug.sampling import Sampling


def request_of_row(row: Mapping[str, Any], defaults: RequestDefaults, sampling: Sampling) -> Request:
    """The request that a row stands for; its media are not opened yet.

    It is read as `read_request` reads all requests, but for an answer at its end, which is the one that is expected.

    :raises RequestError: the row cannot be asked; the message names the key.
    """
    messages = row.get("messages")
    if "query" not in row and not messages:
        raise RequestError("There is neither 'query' nor 'messages' in the row.", 'Write {"query": "…"}.')
    asked = {**row, "messages": _without_label(messages)} if messages else row
    _check_tags(read_dialogue(asked))
    read = read_request(asked, defaults)
    return Request(read.conversation, read.options, sampling)


def label_of(row: Mapping[str, Any]) -> str | None:
    """The answer that the row expects: ``response``, or a last turn of the assistant's."""
    if isinstance(row.get("response"), str):
        return str(row["response"])
    messages = row.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, dict) or last.get("role") != "assistant" or not isinstance(last.get("content"), str):
        return None
    return str(last["content"])


def _without_label(messages: Any) -> Any:
    """The messages up to the last question."""
    last = messages[-1] if isinstance(messages, list) and len(messages) > 1 else None
    return messages[:-1] if isinstance(last, dict) and last.get("role") == "assistant" else messages


def _check_tags(dialogue: Dialogue) -> None:
    """Refuses tags where there is no media at all: in a file, they were forgotten; elsewhere such tags are text."""
    if dialogue.placed is not None:
        return
    for tags, listed in ((IMAGES, dialogue.images), (VIDEOS, dialogue.videos)):
        if not listed and any(tags.tag in tags.inline.sub("", query) for query in dialogue.queries):
            raise PlacementError(
                f"There is {tags.tag} in the row, and nothing in {tags.key}.",
                "Name the file; a tag that is meant as text goes into a part of type text.",
            )
