"""The state of a run: small files, from which another run goes on as if it had never stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from training.export import read_config
from training.feed import Batch
from training.model import new_model
from training.state import AVERAGE, DECAY, MOMENTS, PROGRESS, WEIGHTS, Progress, Trainee, new_optimizer, read_progress
from training.update import Update

FILES = {WEIGHTS, AVERAGE, PROGRESS, *MOMENTS.values()}


def trainee(config: dict[str, Any], seed: int = 0) -> Trainee:
    return Trainee(new_model(config, seed), weight_decay=0.05)


@pytest.fixture
def trained(small_config: dict[str, Any], batch: Batch) -> Trainee:
    """Two steps old."""
    made = trainee(small_config)
    made.progress.tokenizer, made.progress.seconds, made.progress.runs = "abc", 12.5, 1
    update = Update(made)
    for _ in range(2):
        update(batch, 1e-3)
    return made


def assert_alike(one: Trainee, other: Trainee) -> None:
    for name in ("model", "averaged"):
        first, second = getattr(one, name).state_dict(), getattr(other, name).state_dict()
        assert all(torch.equal(first[key], second[key]) for key in first)
    for mine, theirs in zip(one.model.parameters(), other.model.parameters(), strict=True):
        first, second = one.optimizer.state[mine], other.optimizer.state[theirs]
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_what_is_saved_is_loaded(trained: Trainee, small_config: dict[str, Any], tmp_path: Path) -> None:
    trained.save(tmp_path / "state")
    loaded = trainee(small_config, seed=1)
    loaded.load(tmp_path / "state")
    assert_alike(trained, loaded)
    assert loaded.progress == trained.progress == read_progress(tmp_path / "state")
    assert (loaded.progress.steps, loaded.progress.rows) == (2, 2 * 2)


def test_a_resumed_run_goes_on_as_the_first_would(
    trained: Trainee, small_config: dict[str, Any], batch: Batch, tmp_path: Path
) -> None:
    trained.save(tmp_path)
    resumed = trainee(small_config, seed=1)
    resumed.load(tmp_path)
    losses = [Update(one)(batch, 5e-4) for one in (trained, resumed)]
    assert torch.equal(*losses)
    assert_alike(trained, resumed)


def test_saving_again_replaces_the_state(
    trained: Trainee, small_config: dict[str, Any], batch: Batch, tmp_path: Path
) -> None:
    trained.save(tmp_path)
    Update(trained)(batch, 1e-3)
    trained.save(tmp_path)
    loaded = trainee(small_config)
    loaded.load(tmp_path)
    assert_alike(trained, loaded)
    assert {file.name for file in tmp_path.iterdir()} == FILES


def test_the_whole_model_makes_few_small_files(checkpoint: Path, tmp_path: Path) -> None:
    whole = Trainee(new_model(read_config(checkpoint)), weight_decay=0.05)
    for parameter in whole.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    whole.optimizer.step()
    whole.save(tmp_path)
    sizes = [file.stat().st_size for file in tmp_path.iterdir()]
    assert len(sizes) == len(FILES) <= 7
    assert max(sizes) < 16_000_000
    assert sum(sizes) < 60_000_000


@pytest.mark.parametrize("missing", sorted(FILES))
def test_a_state_with_a_file_missing_is_refused(
    missing: str, trained: Trainee, small_config: dict[str, Any], tmp_path: Path
) -> None:
    trained.save(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(OSError, match=missing):
        trainee(small_config).load(tmp_path)


def test_another_tokenizer_is_refused() -> None:
    Progress(tokenizer="abc").check_tokenizer("abc")
    with pytest.raises(ValueError, match="another tokenizer"):
        Progress(tokenizer="abc").check_tokenizer("abd")


def test_the_average_follows_the_weights(small_config: dict[str, Any]) -> None:
    made = trainee(small_config)
    weight = made.model.language_model.lm_head.weight
    with torch.no_grad():
        weight += 1.0
    made.count(rows=3)
    # The first step keeps 1 / 11 of the old average; DECAY is reached much later.
    torch.testing.assert_close(made.averaged.language_model.lm_head.weight, weight - 1 / 11)
    made.progress.steps = 1_000_000
    made.count(rows=3)
    torch.testing.assert_close(made.averaged.language_model.lm_head.weight, weight - DECAY / 11)


@pytest.mark.parametrize(
    ("name", "decays"),
    [
        ("tower.vision_model.encoder.layers.0.attn.qkv.weight", True),
        ("tower.vision_model.encoder.layers.0.attn.qkv.bias", False),
        ("tower.vision_model.encoder.layers.0.ls1", False),
        ("tower.vision_model.embeddings.position_embedding", False),
        ("language_model.model.embed_tokens.weight", False),
        ("language_model.model.layers.0.self_attn.q_proj.weight", True),
        ("language_model.model.norm.weight", False),
        ("language_model.lm_head.weight", True),
    ],
)
def test_only_matrices_decay(name: str, decays: bool, small_config: dict[str, Any]) -> None:
    model = new_model(small_config)
    parameter = dict(model.named_parameters())[name]
    groups = new_optimizer(model, 0.05).param_groups
    (decay,) = [group["weight_decay"] for group in groups if any(p is parameter for p in group["params"])]
    assert decay == (0.05 if decays else 0.0)
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
