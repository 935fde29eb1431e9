"""The words that all tiny models share, and the forms in which official repositories hold a byte-level vocabulary.

They are the ordinary tokens of internvl2-tiny, learned from the texts of this generator; each family adds its own
special tokens behind them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from tokenizers.pre_tokenizers import PreTokenizer

from vlmplug.byte_level import byte_surfaces

SHIPPED = Path(__file__).parents[2] / "vlmplug_tiny" / "checkpoint"


@dataclass(frozen=True)
class Vocabulary:
    """Ordinary tokens.

    - ``tokens``: by id, bytes written as `vlmplug.byte_level.stand_ins`.
    - ``merges``: pairs in the order in which they were learned.
    """

    tokens: tuple[str, ...]
    merges: tuple[str, ...]

    def ids(self, specials: Sequence[str]) -> dict[str, int]:
        """Ids of special tokens behind the ordinary ones."""
        return {token: len(self.tokens) + place for place, token in enumerate(specials)}

    def rows(self, specials: Sequence[str]) -> int:
        """Rows of the embeddings: one a token, up to a multiple of 16."""
        return -(-(len(self.tokens) + len(specials)) // 16) * 16

    def indexed(self) -> dict[str, int]:
        """Ordinary tokens to ids."""
        return {token: number for number, token in enumerate(self.tokens)}

    def surfaces(self) -> tuple[bytes, ...]:
        """The bytes of ordinary tokens, by id."""
        return byte_surfaces(self.indexed())

    def rank_file(self) -> str:
        """The lines of a tiktoken rank file: token in base64, rank."""
        return "".join(f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(self.surfaces()))

    def merges_file(self) -> str:
        """``merges.txt``."""
        return "\n".join(["#version: 0.2", *self.merges]) + "\n"


@cache
def shared_vocabulary() -> Vocabulary:
    """The ordinary tokens of internvl2-tiny."""
    by_token: dict[str, int] = json.loads((SHIPPED / "vocab.json").read_text(encoding="utf-8"))
    merges = (SHIPPED / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    return Vocabulary(tuple(sorted(by_token, key=by_token.__getitem__)), tuple(merges))


def byte_level(vocabulary: Vocabulary, cuts: Sequence[PreTokenizer], specials: Sequence[str]) -> Tokenizer:
    """What a ``tokenizer.json`` holds.

    :param cuts: how text is cut, one after the other, before its bytes are merged.
    """
    made = Tokenizer(models.BPE(vocabulary.indexed(), [_pair(merge) for merge in vocabulary.merges]))
    made.pre_tokenizer = pre_tokenizers.Sequence([*cuts, pre_tokenizers.ByteLevel(False, use_regex=False)])
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(list(specials))
    return made


def _pair(merge: str) -> tuple[str, str]:
    left, right = merge.split(" ")
    return left, right
