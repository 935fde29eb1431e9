"""What the files around ``config.json`` decide: tokens, prompt format, number of vision tokens."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from plugins.deepseek_vl.tests.conftest import Load
from vlmplug.errors import CheckpointMismatchError, TokenizerError

FILES = ("config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json")
BEGIN, END, TAG = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<image_placeholder>"


@pytest.fixture
def folder(golden: Path, tmp_path: Path) -> Path:
    for name in FILES:
        shutil.copyfile(golden / "tiny_7b" / name, tmp_path / name)
    return tmp_path


def change(file: Path, **keys: Any) -> None:
    """Sets keys of a JSON file; None takes one out."""
    content = {key: value for key, value in {**json.loads(file.read_text()), **keys}.items() if value is not None}
    file.write_text(json.dumps(content))


def template(token: str, number: int) -> dict[str, Any]:
    special = {"id": token, "ids": [number], "tokens": [token]}
    single = [{"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    return {"type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": {token: special}}


@pytest.mark.parametrize(
    ("config", "post_processor"),
    [
        ({}, None),
        ({"add_bos_token": False}, None),
        ({"add_bos_token": None}, None),
        ({"tokenizer_class": "TokenizersBackend", "add_bos_token": None}, None),
        ({"tokenizer_class": "TokenizersBackend"}, template(BEGIN, 600)),
        ({"bos_token": None}, None),
    ],
)
def test_exactly_one_begin_token_whatever_the_files_say(
    folder: Path, load: Load, config: dict[str, Any], post_processor: Any
) -> None:
    change(folder / "tokenizer_config.json", **config)
    change(folder / "tokenizer.json", post_processor=post_processor)
    model = load(folder)
    assert model.tokenizer.bos_ids == (600,)
    assert model.text_config["bos_token_id"] == 600


def test_the_end_token_is_the_tokenizers_not_that_of_other_files(folder: Path, load: Load) -> None:
    change(folder / "config.json", eos_token_id=2)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 2, "top_p": 0.9}))
    model = load(folder)
    assert model.stop_ids == (601,) and model.text_config["eos_token_id"] == 601
    assert model.sampling.top_p == 0.9


def test_a_tag_that_the_tokenizer_lacks_is_added_as_officially(folder: Path, load: Load) -> None:
    change(folder / "processor_config.json", image_tag="<picture>")
    model = load(folder)
    assert model.placeholder_id == model.tokenizer.special_id("<picture>") == 603
    assert model.settings.image_tag == "<picture>"


def test_a_tokenizer_larger_than_the_embeddings_is_refused(folder: Path, load: Load) -> None:
    config = json.loads((folder / "config.json").read_text())
    with pytest.raises(CheckpointMismatchError, match="603 tokens, the language model 602"):
        load(folder, language_config={**config["language_config"], "vocab_size": 602})


def test_without_its_tokens_it_is_no_tokenizer_of_this_family(folder: Path, load: Load) -> None:
    change(folder / "tokenizer_config.json", added_tokens_decoder={}, bos_token=None, additional_special_tokens=[])
    with pytest.raises(TokenizerError, match=r"no special token '<｜begin▁of▁sentence｜>'"):
        load(folder)


@pytest.mark.parametrize(
    ("keys", "expected"), [({}, "deepseek"), ({"sft_format": None}, "deepseek"), ({"sft_format": "plain"}, "plain")]
)
def test_the_checkpoint_names_its_prompt_format(folder: Path, load: Load, keys: dict[str, Any], expected: str) -> None:
    change(folder / "processor_config.json", **keys)
    assert load(folder).settings.format == expected


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"sft_format": "llama-2"}, "sft_format .* 'llama-2'"),
        ({"num_image_tokens": 256}, "num_image_tokens is 256, expected 576"),
    ],
)
def test_a_dialogue_of_another_family_is_refused(folder: Path, load: Load, keys: dict[str, Any], said: str) -> None:
    change(folder / "processor_config.json", **keys)
    with pytest.raises(CheckpointMismatchError, match=said):
        load(folder)


def test_files_beside_config_and_tokenizer_may_be_missing(folder: Path, load: Load) -> None:
    with_all = load(folder)
    for name in ("processor_config.json", "preprocessor_config.json"):
        (folder / name).unlink()
    assert load(folder).settings == with_all.settings


def test_transformers_5_keeps_the_image_processor_in_another_file(
    native_hybrid: Path, tmp_path: Path, load: Load
) -> None:
    folder = Path(shutil.copytree(native_hybrid, tmp_path / "copy"))
    processor = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(
        json.dumps({"image_processor": {**processor, "image_mean": [0.25] * 3}})
    )
    assert load(folder).tower.config["siglip"]["normalisation"]["mean"] == (0.25, 0.25, 0.25)
