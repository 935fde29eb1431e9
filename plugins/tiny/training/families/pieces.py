"""The shared vocabulary as a sentencepiece model, the form of InternLM2's tokenizer.

Spaces are written as ``▁``, nothing is put in front of a text, and what is no piece is spelled byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from training.families.vocabulary import Vocabulary
from vlmplug.sentencepiece_model import (
    BYTE,
    BYTE_PAIR_MODEL,
    CONTROL,
    NORMAL,
    UNKNOWN,
    USER_DEFINED,
    message_class,
)
from vlmplug.text_model import WORD_START

#: The first three ids.
FIRST = (("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL))


def sentencepiece_model(vocabulary: Vocabulary, specials: Sequence[str]) -> Any:
    """The model as a protocol buffer.

    :param specials: user-defined pieces at the end, as the official file has them.
    """
    model = message_class()()
    model.trainer_spec.model_type, model.trainer_spec.byte_fallback = BYTE_PAIR_MODEL, True
    model.normalizer_spec.add_dummy_prefix = model.normalizer_spec.remove_extra_whitespaces = False
    for piece, kind in (*FIRST, *((f"<0x{byte:02X}>", BYTE) for byte in range(256))):
        model.pieces.add(piece=piece, score=0.0, type=kind)
    for number, piece in enumerate(ordinary(vocabulary)):
        model.pieces.add(piece=piece, score=-float(number), type=NORMAL)
    for piece in specials:
        model.pieces.add(piece=piece, score=0.0, type=USER_DEFINED)
    return model


def ordinary(vocabulary: Vocabulary) -> Iterator[str]:
    """Tokens that are text, in the order in which they were learned, and the letters that they are made of."""
    texts = [surface.decode("utf-8", "replace") for surface in vocabulary.surfaces()]
    plain = [text.replace(" ", WORD_START) for text in texts if text.isascii() and (text == "\n" or text.isprintable())]
    yield from (text for text in plain if len(text) > 1)
    yield from (text for text in plain if len(text) == 1)
