"""What every family checks of a checkpoint's files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlmplug.errors import CheckpointMismatchError
from vlmplug.quantisation import quantisation_method
from vlmplug.tokenizer import Tokenizer

_DTYPES = ("bfloat16", "float16", "float32")


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
