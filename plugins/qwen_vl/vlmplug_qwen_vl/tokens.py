"""The official tokenizer, and which special tokens may stand in a text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from vlmplug.prompt import Segment, Special, Text
from vlmplug.tiktoken_ranks import RankFile
from vlmplug.tokenizer import Tokenizer

END, START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
IMAGE, IMAGE_END, PLACEHOLDER = "<img>", "</img>", "<imgpad>"
_CONTROLS = (END, START, TURN_END, *(f"<|extra_{number}|>" for number in range(205)))
#: Names and places of things: what people and the model write, and what the model was trained on as single ids.
GROUNDING = ("<ref>", "</ref>", "<box>", "</box>", "<quad>", "</quad>")

#: ``qwen.tiktoken`` with pattern and special tokens of the official ``tokenization_qwen.py``.
RANKS = RankFile(
    "qwen.tiktoken",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
    specials=(*_CONTROLS, *GROUNDING, IMAGE, IMAGE_END, PLACEHOLDER),
    said=GROUNDING,
    normal_form="NFC",
)


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model folder.

    :raises TokenizerError: the rank file is missing or broken.
    """
    return Tokenizer.from_ranks(folder, RANKS)


def chat_text(text: str) -> Iterator[Segment]:
    """A text of a chat: names and places are special tokens in it, all else is text.

    The official code takes the tags of pictures for special tokens too, and then fails or opens the path between them.
    """
    return _cut(text, GROUNDING)


def raw_text(text: str, parse_special_tokens: bool) -> Iterator[Segment]:
    """A text for a model that continues it; the official code parses all special tokens, pictures' tags again."""
    return _cut(text, (*_CONTROLS, *GROUNDING) if parse_special_tokens else GROUNDING)


def _cut(text: str, tokens: Iterable[str]) -> Iterator[Segment]:
    """Texts, and what stands between them: special tokens."""
    for number, piece in enumerate(re.split(f"({'|'.join(map(re.escape, tokens))})", text)):
        if number % 2:
            yield Special(piece)
        elif piece:
            yield Text(piece)
