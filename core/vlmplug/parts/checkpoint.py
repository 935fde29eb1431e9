"""What every family checks of a checkpoint's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlmplug.errors import CheckpointMismatchError
from vlmplug.quantisation import quantisation_method
from vlmplug.tokenizer import Tokenizer

_DTYPES = ("bfloat16", "float16", "float32")


def check_architecture(named: Sequence[str], known: Sequence[str]) -> None:
    """Checks that a configuration is one of the family's.

    :param named: architectures that ``config.json`` names. :param known: those that the family reads.
    :raises CheckpointMismatchError: it names none of them.
    """
    if not set(known) & set(named):
        raise CheckpointMismatchError(
            f"config.json names the architecture {', '.join(named) or 'none'}.",
            f"This family reads {' and '.join(known)}; choose the model type that fits the checkpoint.",
        )


def check_tower(config: Mapping[str, Any], section: str, family: str) -> None:
    """Checks that a configuration describes a vision tower, where text-only models share the architecture's name.

    :param section: where it does. :param family: its name as readers know it.
    :raises CheckpointMismatchError: it does not.
    """
    if not isinstance(config.get(section), Mapping):
        raise CheckpointMismatchError(
            f"config.json has no {section}: this is a language model without a vision tower.",
            f"Use a {family} checkpoint.",
        )


def check_unquantised(config: Mapping[str, Any]) -> None:
    """Checks that the weights are as they were trained, for families whose quantised form the engine cannot run.

    :raises CheckpointMismatchError: they are quantised.
    """
    if method := quantisation_method(config):
        raise CheckpointMismatchError(f"The weights are quantised ({method}).", "Use the unquantised checkpoint.")


def weights_dtype(config: Mapping[str, Any], unnamed: str = "bfloat16") -> str:
    """Data type of the weights by ``config.json``; AWQ kernels know float16 alone, whatever the file says.

    :param unnamed: that of files which name none.
    :raises CheckpointMismatchError: one that no official checkpoint has.
    """
    name = config.get("torch_dtype") or config.get("dtype") or unnamed
    if name not in _DTYPES:
        raise CheckpointMismatchError(
            f"config.json names the data type {name!r}.", f"Expected one of {', '.join(_DTYPES)}."
        )
    return "float16" if quantisation_method(config) else str(name)


def check_vocabulary(tokenizer: Tokenizer, rows: int) -> None:
    """Checks that the language model has a row for each token.

    :raises CheckpointMismatchError: it has fewer.
    """
    if tokenizer.vocab_size > rows:
        raise CheckpointMismatchError(
            f"The tokenizer in {tokenizer.folder} has {tokenizer.vocab_size} tokens, the language model {rows}.",
            "Use the tokenizer files of this checkpoint.",
        )
