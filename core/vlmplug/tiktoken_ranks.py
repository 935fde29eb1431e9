"""Reads a tiktoken rank file: one token a line, in base64, with its rank, which is also its id.

tiktoken merges, again and again, the pair of neighbours whose union has the lowest rank, the leftmost of equals; a
piece that is a token as a whole is never cut. Any two tokens whose union is a token may merge, whichever of them came
first in training. The merges below are therefore all such pairs, ordered by the rank of the union.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers

from vlmplug.byte_level import stand_ins
from vlmplug.errors import TokenizerError
from vlmplug.text_model import MAX_IDS, TextModel, frame_of

_MAX_BYTES = 64 * 1024 * 1024
#: Tokens are a few dozen bytes long; the number of ways to cut one grows with its length.
_MAX_TOKEN = 1024


@dataclass(frozen=True)
class RankFile:
    """How a family uses a rank file; the file itself says nothing of it.

    - ``name``: of the file in the model folder.
    - ``pattern``: how text is cut before it is merged (``pat_str`` of the official tokenizer).
    - ``specials``: special tokens behind the last rank, in the order of their ids; None: the tokens that
      ``tokenizer_config.json`` declares.
    - ``said``: those of them that are part of what is said, and stay in an answer's text.
    - ``normal_form``: Unicode normal form that the official tokenizer brings texts into; None: they stay as they are.
    """

    name: str
    pattern: str
    specials: tuple[str, ...] | None = None
    said: tuple[str, ...] = ()
    normal_form: Literal["NFC", "NFKC"] | None = None


def read_ranks(file: Path) -> dict[bytes, int]:
    """The tokens of a rank file, to their ranks.

    :raises TokenizerError: it cannot be read, a line is malformed, a token or a rank is there twice, or a byte is no
        token, so that text would vanish without a word.
    """
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        token, rank = _entry(line, f"{file}:{number}")
        if token in ranks:
            raise TokenizerError(f"{file}:{number}: the token is there twice.", "Download the file again.")
        ranks[token] = rank
    missing = [f"0x{byte:02X}" for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise TokenizerError(f"{file} has no token for {', '.join(missing[:8])}.", "Download the file again.")
    if len(set(ranks.values())) < len(ranks):
        raise TokenizerError(f"{file} gives one rank to several tokens.", "Download the file again.")
    return ranks


def read_tiktoken(folder: Path, ranks: RankFile) -> TextModel:
    """The text model of a rank file in a model folder.

    :raises TokenizerError: as `read_ranks`.
    """
    by_token = read_ranks(folder / ranks.name)
    letters = "".join(stand_ins())
    spelled = {token: token.decode("latin-1").translate(letters) for token in by_token}
    vocabulary = {spelled[token]: rank for token, rank in by_token.items()}
    merges = [(spelled[left], spelled[right]) for left, right in _merges(by_token)]
    engine = tokenizers.Tokenizer(models.BPE(vocabulary, merges, ignore_merges=True))
    if ranks.normal_form is not None:
        engine.normalizer = normalizers.NFC() if ranks.normal_form == "NFC" else normalizers.NFKC()
    cut = pre_tokenizers.Split(Regex(ranks.pattern), "isolated")
    engine.pre_tokenizer = pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(False, use_regex=False)])
    engine.decoder = decoders.ByteLevel()
    return TextModel(engine, "byte_level", "none", _surfaces(by_token), frame_of(engine))


def _lines(file: Path) -> list[bytes]:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise TokenizerError(f"{file} is larger than {_MAX_BYTES:,} bytes.", "Check that it is the official file.")
        return file.read_bytes().splitlines()
    except OSError as error:
        raise TokenizerError(f"{file} cannot be read: {error}.", "Download the file again.") from error


def _entry(line: bytes, where: str) -> tuple[bytes, int]:
    try:
        encoded, rank = line.split()
        token, number = base64.b64decode(encoded, validate=True), int(rank)
    except (ValueError, binascii.Error) as error:
        raise TokenizerError(
            f"{where}: no token in base64 and its rank.", "Check that it is the official file, or download it again."
        ) from error
    if not 0 < len(token) <= _MAX_TOKEN or not 0 <= number < MAX_IDS:
        raise TokenizerError(f"{where}: a token of {len(token)} bytes with rank {number}.", "Download the file again.")
    return token, number


def _merges(ranks: Mapping[bytes, int]) -> Iterator[tuple[bytes, bytes]]:
    """Pairs whose union is a token: the lowest rank of the union first, then those of the parts."""
    for token in sorted(ranks, key=ranks.__getitem__):
        pairs = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
        known = [(left, right) for left, right in pairs if left in ranks and right in ranks]
        yield from sorted(known, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))


def _surfaces(ranks: Mapping[bytes, int]) -> tuple[bytes, ...]:
    surfaces = [b""] * (max(ranks.values()) + 1)
    for token, rank in ranks.items():
        surfaces[rank] = token
    return tuple(surfaces)
