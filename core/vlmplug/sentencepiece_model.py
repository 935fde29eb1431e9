"""Reads a sentencepiece ``tokenizer.model`` and turns it into byte-pair merges that give the same ids.

sentencepiece merges, again and again, the pair of neighbours whose union has the best score, the leftmost of equals.
The merges below are therefore all pairs whose union is a piece, ordered by the score of the union.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import tokenizers
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from tokenizers import decoders, models, normalizers, pre_tokenizers

from vlmplug.errors import TokenizerError
from vlmplug.text_model import WORD_START, Prefix, TextModel, frame_of

#: Values of ``SentencePiece.Type`` and ``TrainerSpec.ModelType`` in sentencepiece_model.proto.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
BYTE_PAIR_MODEL = 2
_MAX_BYTES = 64 * 1024 * 1024


def read_sentencepiece(file: Path, prefix: Prefix | None = None) -> TextModel:
    """The text model in a ``tokenizer.model``.

    :param prefix: where a tokenizer class puts its space; None: as the model itself says.
    :raises TokenizerError: the file is broken, or a kind of model that official checkpoints of this class never are.
    """
    proto = _parse(file)
    _check(proto, file)
    prefix = prefix or ("each" if proto.normalizer_spec.add_dummy_prefix else "none")
    try:
        surfaces = tuple(map(_surface, proto.pieces))
    except ValueError as error:
        raise TokenizerError(f"{file} holds a malformed piece: {error}.", "Download the file again.") from error
    return TextModel(
        engine=_engine(proto),
        kind="sentencepiece",
        prefix=prefix,
        surfaces=surfaces,
        frame=_frame(prefix),
        symbols={piece.piece: number for number, piece in enumerate(proto.pieces) if piece.type == USER_DEFINED},
        controls=frozenset(number for number, piece in enumerate(proto.pieces) if piece.type in (CONTROL, UNKNOWN)),
    )


def _parse(file: Path) -> Any:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise TokenizerError(f"{file} is larger than {_MAX_BYTES:,} bytes.", "Check that it is the official file.")
        proto = message_class()()
        proto.ParseFromString(file.read_bytes())
    except (OSError, DecodeError) as error:
        raise TokenizerError(f"{file} is no sentencepiece model: {error}.", "Download the file again.") from error
    if not proto.pieces:
        raise TokenizerError(f"{file} holds no pieces.", "Download the file again.")
    return proto


def _check(proto: Any, file: Path) -> None:
    spec, trainer = proto.normalizer_spec, proto.trainer_spec
    refused = {
        "a model type other than byte-pair": trainer.model_type != BYTE_PAIR_MODEL,
        "a table of character replacements": bool(spec.precompiled_charsmap),
        "removal of extra spaces": spec.remove_extra_whitespaces,
        "unescaped spaces": not spec.escape_whitespaces,
        "spaces as suffixes": trainer.treat_whitespace_as_suffix,
        "unused pieces": any(piece.type == UNUSED for piece in proto.pieces),
    }
    for what, present in refused.items():
        if present:
            raise TokenizerError(f"{file} uses {what}, which is not supported.", "Check that it is the official file.")


def _engine(proto: Any) -> tokenizers.Tokenizer:
    vocabulary = {piece.piece: number for number, piece in enumerate(proto.pieces)}
    unknown = next((piece.piece for piece in proto.pieces if piece.type == UNKNOWN), None)
    engine = tokenizers.Tokenizer(
        models.BPE(
            vocabulary,
            [pair for _, pair in sorted(_merges(proto))],
            unk_token=unknown,
            fuse_unk=True,
            byte_fallback=proto.trainer_spec.byte_fallback,
        )
    )
    engine.normalizer = normalizers.Replace(" ", WORD_START)
    return engine


def _frame(prefix: Prefix) -> dict[str, Any]:
    complete = tokenizers.Tokenizer(models.BPE())
    spaces = normalizers.Replace(" ", WORD_START)
    complete.normalizer = (
        spaces if prefix == "none" else normalizers.Sequence([normalizers.Prepend(WORD_START), spaces])
    )
    if prefix == "first":
        complete.normalizer = None
        complete.pre_tokenizer = pre_tokenizers.Metaspace(WORD_START, prepend_scheme="first", split=False)
    steps = [decoders.Replace(WORD_START, " "), decoders.ByteFallback(), decoders.Fuse()]
    complete.decoder = decoders.Sequence(steps if prefix == "none" else [*steps, decoders.Strip(" ", 1, 0)])
    return frame_of(complete)


def _merges(proto: Any) -> Iterator[tuple[tuple[float, int, int], tuple[str, str]]]:
    """Each pair with its rank: score of the union, then its id, then the longer left part."""
    normal = {piece.piece for piece in proto.pieces if piece.type == NORMAL}
    for number, piece in enumerate(proto.pieces):
        if piece.type != NORMAL:
            continue
        union = piece.piece
        for cut in range(1, len(union)):
            if union[:cut] in normal and union[cut:] in normal:
                yield (-piece.score, number, -cut), (union[:cut], union[cut:])


def _surface(piece: Any) -> bytes:
    if piece.type == BYTE:
        return bytes([int(piece.piece[1:-1], 16)])
    if piece.type in (CONTROL, UNKNOWN):
        return b""
    text: str = piece.piece
    return text.replace(WORD_START, " ").encode()


@lru_cache(maxsize=1)
def message_class() -> Any:
    """Class of the ``ModelProto`` message, cut down to the fields that are read here.

    It lives in a descriptor pool of its own: sentencepiece's and transformers' generated modules claim the same file
    name in the common one, so that importing either here would break the other.
    """
    proto = descriptor_pb2.FileDescriptorProto(name="vlmplug_sentencepiece.proto", package="vlmplug", syntax="proto2")
    field = descriptor_pb2.FieldDescriptorProto
    schema: dict[str, list[tuple[str, int, int, str]]] = {
        "Piece": [
            ("piece", 1, field.TYPE_STRING, ""),
            ("score", 2, field.TYPE_FLOAT, ""),
            ("type", 3, field.TYPE_INT32, str(NORMAL)),
        ],
        "Trainer": [
            ("model_type", 3, field.TYPE_INT32, "1"),
            ("treat_whitespace_as_suffix", 24, field.TYPE_BOOL, "false"),
            ("byte_fallback", 35, field.TYPE_BOOL, "false"),
        ],
        "Normalizer": [
            ("precompiled_charsmap", 2, field.TYPE_BYTES, ""),
            ("add_dummy_prefix", 3, field.TYPE_BOOL, "true"),
            ("remove_extra_whitespaces", 4, field.TYPE_BOOL, "true"),
            ("escape_whitespaces", 5, field.TYPE_BOOL, "true"),
        ],
    }
    for name, fields in schema.items():
        message = proto.message_type.add(name=name)
        for label, number, kind, default in fields:
            message.field.add(name=label, number=number, type=kind, label=field.LABEL_OPTIONAL, default_value=default)
    model = proto.message_type.add(name="Model")
    repeated, optional, nested = field.LABEL_REPEATED, field.LABEL_OPTIONAL, field.TYPE_MESSAGE
    model.field.add(name="pieces", number=1, type=nested, type_name=".vlmplug.Piece", label=repeated)
    model.field.add(name="trainer_spec", number=2, type=nested, type_name=".vlmplug.Trainer", label=optional)
    model.field.add(name="normalizer_spec", number=3, type=nested, type_name=".vlmplug.Normalizer", label=optional)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(proto)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("vlmplug.Model"))
