"""The exported checkpoint: official names and files, small enough, and the very weights of the state."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from training.export import (
    MOST_BYTES,
    WEIGHTS,
    differences,
    export,
    load_parameters,
    official,
    read_config,
    trained,
)
from training.model import new_model
from training.state import AVERAGE, PROGRESS, Progress, parameters
from training.tokenizer import Encoder

WRITTEN = {"config.json", "preprocessor_config.json", "generation_config.json", WEIGHTS}

#: Names of the official InternVL2 checkpoints with a Qwen2 language model, N for any number.
VISION = {
    "mlp1.N.weight", "mlp1.N.bias",
    "vision_model.embeddings.class_embedding", "vision_model.embeddings.position_embedding",
    "vision_model.embeddings.patch_embedding.weight", "vision_model.embeddings.patch_embedding.bias",
    *(f"vision_model.encoder.layers.N.{part}.{kind}" for kind in ("weight", "bias")
      for part in ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2", "norm1", "norm2")),
    "vision_model.encoder.layers.N.ls1", "vision_model.encoder.layers.N.ls2",
}  # fmt: skip
LANGUAGE = {
    "language_model.model.embed_tokens.weight", "language_model.model.norm.weight", "language_model.lm_head.weight",
    *(f"language_model.model.layers.N.{part}.weight" for part in (
        "input_layernorm", "post_attention_layernorm", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
        "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")),
    *(f"language_model.model.layers.N.self_attn.{part}_proj.bias" for part in "qkv"),
}  # fmt: skip


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    """A folder with the tokenizer alone."""
    made = tmp_path / "checkpoint"
    made.mkdir()
    for file in checkpoint.iterdir():
        if file.name not in WRITTEN:
            shutil.copyfile(file, made / file.name)
    return made


@pytest.fixture
def state(folder: Path, tmp_path: Path) -> Path:
    """What `export` needs of a state, with random weights."""
    made = tmp_path / "state"
    made.mkdir()
    save_file(parameters(new_model(read_config(folder), seed=3)), made / AVERAGE)
    progress = Progress(steps=7, tokenizer=Encoder(folder).fingerprint)
    (made / PROGRESS).write_text(json.dumps(asdict(progress)))
    return made


def test_an_export_holds_the_files_of_the_official_layout(state: Path, folder: Path, checkpoint: Path) -> None:
    export(state, folder)
    assert {file.name for file in folder.iterdir()} == {file.name for file in checkpoint.iterdir()}
    assert sum(file.stat().st_size for file in folder.iterdir()) <= MOST_BYTES


def test_names_and_precision_are_official(state: Path, folder: Path) -> None:
    export(state, folder)
    tensors = load_file(folder / WEIGHTS)
    assert {re.sub(r"\.\d+\.", ".N.", name) for name in tensors} == VISION | LANGUAGE
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}


def test_reloading_gives_the_state_s_weights(state: Path, folder: Path) -> None:
    export(state, folder)
    assert differences(state, folder) == []
    model = new_model(read_config(folder), seed=9)
    load_parameters(model, trained(load_file(folder / WEIGHTS)))
    rounded = {name: tensor.to(torch.bfloat16).float() for name, tensor in load_file(state / AVERAGE).items()}
    assert all(torch.equal(tensor, rounded[name]) for name, tensor in parameters(model).items())


def test_official_names_and_back() -> None:
    tensors = {"tower.mlp1.0.weight": torch.ones(2), "language_model.lm_head.weight": torch.zeros(2)}
    assert list(official(tensors)) == ["mlp1.0.weight", "language_model.lm_head.weight"]
    assert trained(official(tensors)).keys() == tensors.keys()


def changed_value(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    tensors["mlp1.1.bias"] += 1


def missing_name(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    tensors["mlp1.9.bias"] = torch.zeros(1)


def too_large(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    (folder / "more").write_bytes(bytes(MOST_BYTES))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (changed_value, r"mlp1\.1\.bias: other values"),
        (missing_name, r"mlp1\.9\.bias: missing on one side"),
        (too_large, r"\d+ bytes, at most 6000000 allowed"),
    ],
)
def test_the_check_finds_what_is_wrong(spoil: object, says: str, state: Path, folder: Path) -> None:
    export(state, folder)
    tensors = load_file(folder / WEIGHTS)
    spoil(folder, tensors)  # type: ignore[operator]
    save_file(tensors, folder / WEIGHTS)
    (wrong,) = differences(state, folder)
    assert re.fullmatch(says, wrong)


def test_another_tokenizer_than_the_trained_one_is_refused(state: Path, folder: Path) -> None:
    progress = json.loads((state / PROGRESS).read_text())
    (state / PROGRESS).write_text(json.dumps({**progress, "tokenizer": "0" * 64}))
    with pytest.raises(ValueError, match="another tokenizer"):
        export(state, folder)
    assert not (folder / WEIGHTS).exists()


@pytest.mark.parametrize("missing", [AVERAGE, PROGRESS])
def test_an_incomplete_state_is_refused(missing: str, state: Path, folder: Path) -> None:
    (state / missing).unlink()
    with pytest.raises(OSError, match=missing):
        export(state, folder)
