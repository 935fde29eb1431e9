"""Byte-level byte-pair encoding, as GPT-2 introduced it: every byte has a printable stand-in, so no text is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers

from vlmplug.errors import TokenizerError
from vlmplug.json_files import read_json
from vlmplug.text_model import TextModel, checked_vocabulary, frame_of

#: How Qwen2 cuts text before it merges (``PRETOKENIZE_REGEX`` of the official ``tokenization_qwen2.py``).
QWEN2_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def read_qwen2(folder: Path) -> TextModel:
    """The text model in ``vocab.json`` and ``merges.txt`` of Qwen2.

    :raises TokenizerError: a file is missing or broken, or a byte has no piece.
    """
    file = folder / "vocab.json"
    vocabulary = checked_vocabulary(read_json(file, TokenizerError), file)
    check_alphabet(vocabulary, file)
    engine = tokenizers.Tokenizer(models.BPE(vocabulary, _merges(folder / "merges.txt", vocabulary)))
    engine.normalizer = normalizers.NFC()
    cut = pre_tokenizers.Split(Regex(QWEN2_PATTERN), "isolated")
    engine.pre_tokenizer = pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(False, use_regex=False)])
    engine.decoder = decoders.ByteLevel()
    return TextModel(engine, "byte_level", "none", byte_surfaces(vocabulary), frame_of(engine))


def _merges(file: Path, vocabulary: Mapping[str, int]) -> list[tuple[str, str]]:
    try:
        lines = file.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise TokenizerError(f"{file} cannot be read: {error}.", "Download the file again.") from error
    merges = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#version"):
            continue
        left, _, right = line.strip().partition(" ")
        if not {left, right, left + right} <= vocabulary.keys():
            raise TokenizerError(f"{file}:{number}: {line!r} does not fit vocab.json.", "Download both files again.")
        merges.append((left, right))
    return merges


def byte_surfaces(vocabulary: Mapping[str, int]) -> tuple[bytes, ...]:
    """The bytes of each piece, by id; none for ids between pieces."""
    surfaces = [b""] * (max(vocabulary.values(), default=-1) + 1)
    for piece, number in vocabulary.items():
        surfaces[number] = _surface(piece)
    return tuple(surfaces)


def check_alphabet(pieces: Iterable[str], file: Path) -> None:
    """Refuses a vocabulary that lacks a byte, because text with that byte would vanish without a word.

    :raises TokenizerError: naming the bytes.
    """
    absent = _alphabet().keys() - set(pieces)
    missing = sorted(f"0x{_alphabet()[letter]:02X}" for letter in absent)
    if missing:
        raise TokenizerError(f"{file} has no piece for {', '.join(missing[:8])}.", "Download the file again.")


def _surface(piece: str) -> bytes:
    alphabet = _alphabet()
    if all(character in alphabet for character in piece):
        return bytes(alphabet[character] for character in piece)
    return piece.encode()


@lru_cache(maxsize=1)
def stand_ins() -> tuple[str, ...]:
    """The printable character that stands for each byte, by byte."""
    letters = {byte: letter for letter, byte in _alphabet().items()}
    return tuple(letters[byte] for byte in range(256))


@lru_cache(maxsize=1)
def _alphabet() -> dict[str, int]:
    """Printable stand-in to byte: printable Latin-1 stands for itself, all others for 256, 257, … in order."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}
