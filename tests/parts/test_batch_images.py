"""The pictures that media items stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from PIL import Image

from vlmplug.conversation import ImagePart, VideoPart
from vlmplug.errors import ConversationError
from vlmplug.media import Clip, Picture
from vlmplug.model import MediaBatch
from vlmplug.parts.batch_images import batch_images
from vlmplug.prompt import MediaItem


@dataclass(frozen=True)
class Numbered(Clip):
    """A clip whose frames are as wide as their number; it counts how often it is read."""

    reads: list[Sequence[int]] = field(default_factory=list)

    def read(self, indices: Sequence[int]) -> list[Image.Image]:
        self.reads.append(indices)
        return [Image.new("RGB", (index, 1)) for index in indices]


def test_pictures_and_frames_in_the_order_of_the_items() -> None:
    one, other = (Numbered("clip", 99, 1.0, (1, 1)) for _ in range(2))
    media = (ImagePart(Picture(Image.new("L", (7, 1)))), VideoPart(one), VideoPart(other))
    items = (MediaItem(1, 20), MediaItem(0), MediaItem(2, 5), MediaItem(1, 10), MediaItem(1, 20), MediaItem(0))
    assert [image.width for image in batch_images(MediaBatch(media, items))] == [20, 7, 5, 10, 20, 7]
    assert (one.reads, other.reads) == ([[20, 10, 20]], [[5]])


@pytest.mark.parametrize(
    ("part", "item", "says"),
    [(ImagePart("a.png"), MediaItem(0), "Picture 1"), (VideoPart("a.mp4"), MediaItem(0, 3), "Clip 1")],
)
def test_they_must_be_opened(part: ImagePart | VideoPart, item: MediaItem, says: str) -> None:
    with pytest.raises(ConversationError, match=f"{says} is not opened"):
        list(batch_images(MediaBatch((part,), (item,))))
