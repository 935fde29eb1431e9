"""The official InternVL2 prompt, template "Hermes-2": text in, text out.

Source: ``conversation.py`` and ``InternVLChatModel.chat`` of OpenGVLab/InternVL, as in the InternVL2
checkpoints (separator style MPT, nothing after the separator).
"""

from __future__ import annotations

from collections.abc import Sequence

#: The system text that the official code always uses.
SYSTEM = "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"

IMAGE_TAG = "<image>"
CONTEXT = "<IMG_CONTEXT>"
END = "<|im_end|>"
ASSISTANT = f"{END}<|im_start|>assistant\n"
USER = "<|im_start|>user\n"


def system_block(system: str = SYSTEM) -> str:
    return f"<|im_start|>system\n{system}{END}"


def picture_block(tokens: int) -> str:
    """One picture, as wide as its tiles' tokens."""
    return f"<img>{CONTEXT * tokens}</img>"


def with_pictures(text: str, tokens: Sequence[int]) -> str:
    """Replaces each ``<image>`` of a text, left to right, by a block of as many tokens as given.

    :raises ValueError: the text has another number of tags than pictures.
    """
    pieces = text.split(IMAGE_TAG)
    if len(pieces) != len(tokens) + 1:
        raise ValueError(f"The text has {len(pieces) - 1} image tags for {len(tokens)} pictures.")
    blocks = [*map(picture_block, tokens), ""]
    return "".join(piece + block for piece, block in zip(pieces, blocks, strict=True))
