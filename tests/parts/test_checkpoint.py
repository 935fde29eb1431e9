"""Data types and vocabularies of checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from vlmplug.errors import CheckpointMismatchError
from vlmplug.parts.checkpoint import (
    check_architecture,
    check_tower,
    check_unquantised,
    check_vocabulary,
    weights_dtype,
)
from vlmplug.tokenizer import Tokenizer

AWQ = {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"torch_dtype": "float32"}, "float32"),
        ({"dtype": "float16"}, "float16"),
        ({"torch_dtype": "float32", "dtype": "float16"}, "float32"),
        ({"torch_dtype": None}, "bfloat16"),
        ({}, "bfloat16"),
        ({"torch_dtype": "bfloat16", **AWQ}, "float16"),
    ],
)
def test_the_data_type_of_weights(config: Mapping[str, Any], expected: str) -> None:
    assert weights_dtype(config) == expected


def test_files_that_name_none() -> None:
    assert weights_dtype({}, "float16") == "float16"


@pytest.mark.parametrize("name", ["float8_e4m3fn", "auto", 16])
def test_another_data_type(name: object) -> None:
    with pytest.raises(CheckpointMismatchError, match=r"config\.json names the data type .*Expected one of bfloat16"):
        weights_dtype({"torch_dtype": name})


def test_a_row_for_each_token(golden: Path) -> None:
    tokenizer = Tokenizer.from_folder(golden / "tiny")
    check_vocabulary(tokenizer, tokenizer.vocab_size)
    with pytest.raises(CheckpointMismatchError, match=f"has {tokenizer.vocab_size} tokens, the language model 7"):
        check_vocabulary(tokenizer, 7)


def test_one_of_the_architectures_is_enough() -> None:
    check_architecture(("Other", "ChatModel"), ("ChatModel", "ChatModelForCausalLM"))


@pytest.mark.parametrize(("named", "shown"), [((), "none"), (("Other", "Another"), "Other, Another")])
def test_another_architecture(named: tuple[str, ...], shown: str) -> None:
    with pytest.raises(CheckpointMismatchError, match=f"names the architecture {shown}.*reads ChatModel and VLModel"):
        check_architecture(named, ("ChatModel", "VLModel"))


@pytest.mark.parametrize("vision", [None, "none", []])
def test_a_language_model_alone(vision: object) -> None:
    with pytest.raises(CheckpointMismatchError, match=r"has no visual: .* without a vision tower.*Use a Toy-VL"):
        check_tower({"visual": vision}, "visual", "Toy-VL")
    check_tower({"visual": {}}, "visual", "Toy-VL")


def test_quantised_weights() -> None:
    check_unquantised({"torch_dtype": "bfloat16"})
    with pytest.raises(CheckpointMismatchError, match=r"quantised \(awq\)\. Use the unquantised"):
        check_unquantised(AWQ)
