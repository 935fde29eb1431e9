"""What a model type takes, and how much of it, is kept to before anything is prepared."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmplug.conversation import Conversation, ImagePart, Message, Part, TextPart, VideoPart, user_message
from vlmplug.errors import MediaError
from vlmplug.media_limits import check_frames, check_media
from vlmplug.model_type import Licence, Limits, Modality, ModelType, Source
from vlmplug.prompt import MediaItem, MediaSlot, RenderedPrompt

PICTURE, CLIP = ImagePart(Path("picture.png")), VideoPart(Path("clip.mp4"))


def model_type(modalities: tuple[Modality, ...] = ("text", "image", "video"), **limits: int) -> ModelType:
    source = Source("built-in", Path("manifest.yaml"), 1)
    return ModelType("toy-1b", "toy", "toy", "plain", modalities, 1, 1, Licence("MIT"), source, limits=Limits(**limits))


def shown(*parts: Part) -> Conversation:
    """Half of the media in an earlier turn."""
    half = len(parts) // 2
    answer = Message("assistant", (TextPart("yes"),))
    first, last = (Message("user", (*some, TextPart("?"))) for some in (parts[:half], parts[half:]))
    return Conversation((first, answer, last))


@pytest.mark.parametrize(
    ("entry", "parts", "says"),
    [
        (model_type(("text",)), (PICTURE,), "toy-1b takes no images; its modalities are text"),
        (model_type(("text", "image")), (PICTURE, CLIP), "toy-1b takes no videos"),
        (model_type(images=1), (PICTURE, PICTURE), "holds 2 pictures; toy-1b takes 1"),
        (model_type(images=0), (PICTURE,), "holds 1 pictures; toy-1b takes 0"),
        (model_type(videos=1), (CLIP, PICTURE, CLIP), "holds 2 clips; toy-1b takes 1"),
    ],
    ids=str,
)
def test_media_beyond_what_a_model_type_takes_are_refused(entry: ModelType, parts: tuple[Part, ...], says: str) -> None:
    with pytest.raises(MediaError, match=says):
        check_media(entry, shown(*parts))


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        (model_type(("text",)), ()),
        (model_type(), (PICTURE,) * 9 + (CLIP,) * 3),
        (model_type(images=2, videos=1), (PICTURE, CLIP, PICTURE)),
    ],
    ids=str,
)
def test_media_within_it_pass(entry: ModelType, parts: tuple[Part, ...]) -> None:
    check_media(entry, shown(*parts))


@pytest.mark.parametrize(("most", "passes"), [(None, True), (3, True), (2, False)])
def test_frames_are_counted_for_each_clip(most: int | None, passes: bool) -> None:
    entry = model_type(**({} if most is None else {"frames": most}))
    clips = [MediaSlot(tuple(MediaItem(part, frame) for frame in range(count))) for part, count in ((0, 2), (1, 3))]
    prompt = RenderedPrompt((*clips, MediaSlot((MediaItem(2),) * 9)))
    if passes:
        check_frames(entry, prompt)
    else:
        with pytest.raises(MediaError, match="brings 3 frames into the prompt; toy-1b takes 2"):
            check_frames(entry, prompt)


def test_a_text_needs_nothing() -> None:
    check_media(model_type(("text",), images=0, videos=0), Conversation((user_message("hi"),)))
