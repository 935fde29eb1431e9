"""What the small tokenizer files declare, and which of them wins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlmplug.errors import TokenizerError
from vlmplug.special_tokens import SpecialToken
from vlmplug.tokenizer_files import TokenizerFiles

VOCABULARY = {"a": 0, "b": 1, "<s>": 2}


def files(folder: Path, **contents: Any) -> TokenizerFiles:
    """A folder with these JSON files, named without their ending."""
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return TokenizerFiles.of(folder)


def entry(content: str, **flags: bool) -> dict[str, Any]:
    return {"content": content, "special": True, **flags}


def test_the_decoder_table_of_the_configuration_wins(tmp_path: Path) -> None:
    found = files(
        tmp_path,
        tokenizer_config={"added_tokens_decoder": {"7": entry("<x>", rstrip=True), "5": {"content": "<y>"}}},
        added_tokens={"<x>": 99},
    )
    assert found.special_tokens(VOCABULARY) == (
        SpecialToken("<y>", 5, special=False),
        SpecialToken("<x>", 7, rstrip=True),
    )


def test_then_tokenizer_json(tmp_path: Path) -> None:
    found = files(tmp_path, tokenizer={"added_tokens": [{"id": 9, **entry("<x>")}]}, added_tokens={"<x>": 99})
    assert found.special_tokens(VOCABULARY) == (SpecialToken("<x>", 9),)


def test_then_added_tokens_with_the_flags_of_the_special_tokens_map(tmp_path: Path) -> None:
    found = files(
        tmp_path,
        added_tokens={"<x>": 4, "<y>": 5},
        special_tokens_map={"eos_token": entry("<x>", lstrip=True)},
    )
    assert found.special_tokens(VOCABULARY) == (
        SpecialToken("<x>", 4, listed=True, lstrip=True),
        SpecialToken("<y>", 5, special=False),
    )


def test_listed_tokens_have_their_id_in_the_vocabulary_or_the_next_free_one(tmp_path: Path) -> None:
    config = {"bos_token": "<s>", "eos_token": entry("</s>"), "additional_special_tokens": ["<new>", "<s>"]}
    found = files(tmp_path, tokenizer_config=config)
    tokens = {token.content: (token.id, token.listed) for token in found.special_tokens(VOCABULARY)}
    assert tokens == {"<s>": (2, True), "</s>": (3, True), "<new>": (4, True)}
    assert found.roles == {"bos_token": "<s>", "eos_token": "</s>"}


@pytest.mark.parametrize(
    ("config", "special_map", "roles"),
    [
        ({}, {"eos_token": "<e>"}, {"eos_token": "<e>"}),
        ({"eos_token": "<c>"}, {"eos_token": "<e>"}, {"eos_token": "<c>"}),
        ({"eos_token": None}, {"eos_token": "<e>"}, {}),
        (
            {"tokenizer_class": "Qwen2TokenizerFast", "unk_token": None},
            {},
            dict.fromkeys(("eos_token", "pad_token"), "<|endoftext|>"),
        ),
    ],
    ids=["map", "configuration first", "explicitly none", "default of the class"],
)
def test_roles(tmp_path: Path, config: dict[str, Any], special_map: dict[str, Any], roles: dict[str, str]) -> None:
    assert files(tmp_path, tokenizer_config=config, special_tokens_map=special_map).roles == roles


@pytest.mark.parametrize(
    "config",
    [
        {"added_tokens_decoder": {"x": entry("<x>")}},
        {"added_tokens_decoder": {"1": {"special": True}}},
        {"added_tokens_decoder": ["<x>"]},
        {"added_tokens_decoder": {"999999999999": entry("<x>")}},
        {"bos_token": {"special": True}},
    ],
)
def test_malformed_declarations_are_named(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(TokenizerError, match="added tokens are malformed"):
        files(tmp_path, tokenizer_config=config).special_tokens(VOCABULARY)


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_broken_json_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer_config.json").write_text(content, "latin-1")
    with pytest.raises(TokenizerError, match=r"tokenizer_config\.json"):
        TokenizerFiles.of(tmp_path)
