"""Whether a request keeps to what its model type takes: its kinds of media, and how many of each."""

from __future__ import annotations

from collections import Counter

from vlmplug.conversation import Conversation, ImagePart
from vlmplug.errors import MediaError
from vlmplug.model_type import Modality, ModelType
from vlmplug.prompt import RenderedPrompt


def check_media(entry: ModelType, conversation: Conversation) -> None:
    """Checks the pictures and clips of a conversation, all turns together.

    :raises MediaError: a kind of media that the model type does not take, or more of it than its limit.
    """
    images = sum(isinstance(part, ImagePart) for part in conversation.media)
    _check(entry, "image", "picture", images, entry.limits.images)
    _check(entry, "video", "clip", len(conversation.media) - images, entry.limits.videos)


def check_frames(entry: ModelType, prompt: RenderedPrompt) -> None:
    """Checks how many frames each clip brings into the prompt.

    :raises MediaError: more than the model type's limit.
    """
    most = entry.limits.frames
    frames = Counter(item.part for item in prompt.items if item.frame is not None)
    for count in frames.values():
        if most is not None and count > most:
            raise MediaError(
                f"A clip brings {count} frames into the prompt; {entry.name} takes {most}.",
                f"Take fewer frames of it: `vlmplug models show {entry.name}` lists the media options.",
            )


def _check(entry: ModelType, modality: Modality, noun: str, count: int, most: int | None) -> None:
    if count and modality not in entry.modalities:
        raise MediaError(
            f"{entry.name} takes no {modality}s; its modalities are {', '.join(entry.modalities)}.",
            f"Leave the {noun}s out, or take a model type of `vlmplug models list --modality {modality}`.",
        )
    if most is not None and count > most:
        raise MediaError(
            f"The conversation holds {count} {noun}s; {entry.name} takes {most}.",
            f"Send fewer, or change limits.{modality}s of {entry.name} in a registry file.",
        )
