"""Tags in a text of the user's as places of the pictures and clips beside it."""

from __future__ import annotations

from vlmplug.conversation import ImagePart, Message, VideoPart
from vlmplug.errors import PlacementError


def check_places(message: Message) -> None:
    """Refuses tags for which there is nothing: they were miscounted, or their pictures forgotten.

    :raises PlacementError: there are more ``<image>`` than pictures, or more ``<video>`` than clips.
    """
    for tag, kind, one, flag in (("<image>", ImagePart, "picture", "image"), ("<video>", VideoPart, "clip", "video")):
        tags, media = message.text.count(tag), sum(isinstance(part, kind) for part in message.media)
        if tags > media:
            raise PlacementError(
                f"There {_counted(tags, f'{tag} tag')} in the question, and {_number(media, one)}.",
                f"Give a {one} for each ({flag}s=[…], --{flag} FILE); "
                'tags that are meant as text go with placement="inline" (--placement inline).',
            )


def _counted(count: int, noun: str) -> str:
    return f"{'is' if count == 1 else 'are'} {_number(count, noun)}"


def _number(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
