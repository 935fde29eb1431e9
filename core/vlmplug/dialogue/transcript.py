"""A conversation as JSON, to be kept, or asked again as a row of a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlmplug.conversation import ImagePart, Message, VideoPart
from vlmplug.errors import ConversationError, OptionError


def transcript(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Each turn as ``{"role", "content"}``, with ``images`` and ``videos`` by their names where it has some."""
    return [_turn(message) for message in messages]


def save_transcript(file: Path, messages: Sequence[Message], model_type: str) -> None:
    """Writes a new file, or adds a row to a ``.jsonl`` file.

    :raises ConversationError: nothing was said yet. :raises OptionError: the file exists, or cannot be written.
    """
    if not any(message.role == "user" for message in messages):
        raise ConversationError("Nothing has been said yet.", "Ask something first.")
    document = {"model_type": model_type, "messages": transcript(messages)}
    rows = file.suffix == ".jsonl"
    text = json.dumps(document, ensure_ascii=False, indent=None if rows else 2)
    try:
        with file.open("a" if rows else "x", encoding="utf-8") as stream:
            stream.write(text + "\n")
    except FileExistsError as error:
        raise OptionError(f"{file} exists.", "Choose another name, or one that ends in .jsonl.") from error
    except OSError as error:
        raise OptionError(f"{file} cannot be written: {error.strerror}.", "Choose another place.") from error


def names_of(messages: Sequence[Message], kind: type[ImagePart] | type[VideoPart]) -> list[str]:
    """Names of all pictures, or of all clips, in order."""
    return [part.name for message in messages for part in message.media if isinstance(part, kind)]


def _turn(message: Message) -> dict[str, Any]:
    media = {"images": names_of((message,), ImagePart), "videos": names_of((message,), VideoPart)}
    return {"role": message.role, "content": message.text} | {key: names for key, names in media.items() if names}
