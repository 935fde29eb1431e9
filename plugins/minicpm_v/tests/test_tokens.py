"""The tokenizer: exactly one token begins the prompt, and the padding letter stays a letter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from vlmplug.errors import TokenizerError
from vlmplug_minicpm_v.tokens import official_tokenizer
from vlmplug_minicpm_v.versions import V2_5, V2_6


def test_the_padding_letter_of_2_5_is_said_again_when_an_answer_has_it(golden: Path) -> None:
    tokenizer, letter = official_tokenizer(golden / "tiny_2_5", V2_5)
    assert letter == ("!", 0)
    assert tokenizer.decode([39, 0, 0]) == "H!!"
    assert tokenizer.decode([39, tokenizer.special_id("<|eot_id|>")]) == "H"


def test_2_6_pads_with_a_token_of_its_own(golden: Path) -> None:
    tokenizer, letter = official_tokenizer(golden / "tiny_2_6", V2_6)
    assert letter is None
    assert tokenizer.decode([39, 0, tokenizer.special_id("<|endoftext|>")]) == "H!"


def test_a_tokenizer_that_begins_prompts_itself_adds_nothing_to_the_template(
    golden: Path, changed: Callable[[Path], Path]
) -> None:
    folder = changed(golden / "tiny_2_5")
    document = json.loads((folder / "tokenizer.json").read_text())
    name = "<|begin_of_text|>"
    document["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": name, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [],
        "special_tokens": {name: {"id": name, "ids": [380], "tokens": [name]}},
    }
    (folder / "tokenizer.json").write_text(json.dumps(document))
    assert official_tokenizer(folder, V2_6)[0].bos_ids == (380,)
    assert official_tokenizer(folder, V2_5)[0].bos_ids == ()


def test_a_template_that_begins_prompts_needs_the_token(golden: Path, changed: Callable[[Path], Path]) -> None:
    folder = changed(golden / "tiny_2_5")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        content = json.loads((folder / name).read_text())
        del content["bos_token"]
        (folder / name).write_text(json.dumps(content))
    with pytest.raises(TokenizerError, match="declares no bos_token"):
        official_tokenizer(folder, V2_5)
