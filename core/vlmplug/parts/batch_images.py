"""The pictures and frames that a batch of media items stands for."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from vlmplug.conversation import VideoPart
from vlmplug.errors import ConversationError
from vlmplug.media import Clip, Picture
from vlmplug.model import MediaBatch


def batch_images(batch: MediaBatch) -> Iterator[Image.Image]:
    """The picture of each item, of any mode; the frames of a clip are read at once.

    :raises ConversationError: a picture or clip is not opened. :raises MediaError: frames cannot be read.
    """
    clips = {item.part for item in batch.items if isinstance(batch.media[item.part], VideoPart)}
    frames = {part: iter(_read(batch, part)) for part in clips}
    for item in batch.items:
        source = batch.media[item.part].source
        if item.part in frames:
            yield next(frames[item.part])
        elif isinstance(source, Picture):
            yield source.image
        else:
            raise ConversationError(f"Picture {item.part + 1} is not opened.", "Pass Conversation.opened().media.")


def _read(batch: MediaBatch, part: int) -> list[Image.Image]:
    clip = batch.media[part].source
    if not isinstance(clip, Clip):
        raise ConversationError(f"Clip {part + 1} is not opened.", "Pass Conversation.opened().media.")
    return clip.read([item.frame or 0 for item in batch.items if item.part == part])
