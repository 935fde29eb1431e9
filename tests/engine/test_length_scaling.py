"""Dynamic NTK by sequence and log-n: levels, tables and factors; plugins/qwen_vl/tests runs them in the engine."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from vlmplug.engine import length_scaling
from vlmplug.engine.compatibility import check_lmdeploy
from vlmplug.engine.length_scaling import LengtheningRotary, RotateAndLengthen, level_of, ntk_frequencies
from vlmplug.engine.rope import LEVEL_SHIFT, LevelledRotary
from vlmplug.errors import EngineOptionError
from vlmplug.model import FamilyModel, LengthScaling, TowerSpec

#: Sizes of the first Qwen.
TEXT = {"head_dim": 128, "rope_parameters": {"rope_theta": 10_000.0}, "max_position_embeddings": 8192}
QWEN = LengthScaling(2048, True, True)


def official_alpha(length: int, trained: int) -> float:
    """``get_ntk_alpha`` of the official ``modeling_qwen.py``."""
    return max(2 ** math.ceil(math.log(length / trained, 2) + 1) - 1, 1)


@pytest.mark.parametrize(
    ("length", "alpha"), [(1, 1), (2047, 1), (2048, 1), (2049, 3), (4096, 3), (4097, 7), (8192, 7), (8193, 15)]
)
def test_levels_at_their_borders(length: int, alpha: int) -> None:
    assert 2 ** (level_of(length, 2048) + 1) - 1 == alpha == official_alpha(length, 2048)


@given(length=st.integers(1, 40_000), trained=st.integers(2, 4096))
def test_levels_are_the_official_ones(length: int, trained: int) -> None:
    assert 2 ** (level_of(length, trained) + 1) - 1 == official_alpha(length, trained)


def test_bases_by_level() -> None:
    """The second frequency is base ** (-2 / 128)."""
    frequencies = ntk_frequencies(TEXT, QWEN)
    assert frequencies.shape == (3, 64)
    bases = frequencies[:, 1].double() ** -64
    torch.testing.assert_close(bases, torch.tensor([10_000, 30527.737, 72195.860]).double(), rtol=1e-4, atol=0)


def test_one_level_without_dynamic_ntk() -> None:
    assert torch.equal(ntk_frequencies(TEXT, LengthScaling(2048, False, True)), ntk_frequencies(TEXT, QWEN)[:1])


def packed(*places: int, level: int = 0) -> Tensor:
    return torch.tensor([places]) + (level << LEVEL_SHIFT)


def test_queries_grow_behind_the_trained_length_whatever_the_level() -> None:
    rotary = LengtheningRotary(ntk_frequencies(TEXT, QWEN), 2048)
    for level in range(3):
        rotary(torch.zeros(1), packed(0, 2047, 2048, 4095, 8191, level=level))
        want = torch.tensor([1.0, 1.0, 1.000064, 1.0909091, 1.1818182])
        torch.testing.assert_close(rotary.factors[:, 0, 0], want, atol=1e-6, rtol=0)


def test_tables_are_those_of_the_level() -> None:
    rotary = LengtheningRotary(ntk_frequencies(TEXT, QWEN), 2048)
    cosines, _ = rotary(torch.zeros(1), packed(100, level=2))
    angles = 100 * ntk_frequencies(TEXT, QWEN)[2]
    torch.testing.assert_close(cosines[0, 0], torch.cat([angles, angles]).cos())
    assert rotary(torch.zeros(1, dtype=torch.bfloat16), packed(1))[0].dtype == torch.bfloat16
    assert rotary.factors.dtype == torch.bfloat16


class Same(nn.Module):
    """In the place of lmdeploy's rotation."""

    def forward(self, query: Tensor, key: Tensor, cos: Tensor, sin: Tensor, inplace: bool = True) -> Any:
        return (query, key) if inplace else (query.clone(), key.clone())


@pytest.mark.parametrize("inplace", [False, True])
def test_only_queries_grow(inplace: bool) -> None:
    rotary = LengtheningRotary(ntk_frequencies(TEXT, QWEN), 2048)
    tables = rotary(torch.zeros(1), packed(0, 4095))
    query, key = torch.ones(2, 3, 128), torch.ones(2, 1, 128)
    grown, same = RotateAndLengthen(Same(), rotary)(query, key, *tables, inplace=inplace)
    torch.testing.assert_close(grown, torch.tensor([1.0, 12 / 11])[:, None, None].expand(2, 3, 128))
    assert torch.equal(same, torch.ones(2, 1, 128))
    assert torch.equal(query, grown) == inplace


@pytest.mark.parametrize(
    ("log_n", "rotary", "rotation"), [(True, LengtheningRotary, RotateAndLengthen), (False, LevelledRotary, Same)]
)
def test_a_language_model_is_changed_where_it_has_to_be(log_n: bool, rotary: type, rotation: type) -> None:
    attention = SimpleNamespace(apply_rotary_pos_emb=Same())
    inner = SimpleNamespace(rotary_emb=None, layers=[SimpleNamespace(self_attn=attention)])
    model = SimpleNamespace(
        model=inner,
        parameters=lambda: iter([torch.zeros(1)]),
        prepare_inputs_for_generation=lambda caches, embeds, context: {"position_ids": None},
    )
    length_scaling.use(model, TEXT, LengthScaling(2048, True, log_n))
    assert type(inner.rotary_emb) is rotary and type(attention.apply_rotary_pos_emb) is rotation
    context = SimpleNamespace(mrope_position_ids=packed(7, level=1).repeat(3, 1))
    inputs: Callable[..., dict[str, Any]] = model.prepare_inputs_for_generation
    assert inputs([], None, context=context)["position_ids"].tolist() == packed(7, level=1).tolist()


@pytest.mark.parametrize(
    ("scaling", "levels"), [(QWEN, [0, 1, 2]), (LengthScaling(2048, False, True), [0, 0, 0]), (None, None)]
)
def test_sequences_get_their_levels(scaling: LengthScaling | None, levels: list[int] | None) -> None:
    engine = SimpleNamespace(scheduler=SimpleNamespace(seq_meta=SimpleNamespace(strategy=None)))
    length_scaling.attach(engine, scaling)
    rule = engine.scheduler.seq_meta.strategy and engine.scheduler.seq_meta.strategy._rule
    assert (rule and [rule(length) for length in (2048, 2049, 8192)]) == levels


LONGROPE: dict[str, Any] = {"rope_parameters": {"rope_type": "longrope", "original_max_position_embeddings": 9}}


def family(scaling: LengthScaling | None, own_positions: bool = False, **text: Any) -> FamilyModel:
    given: Any = {"tokenizer": None, "settings": None, "tower": TowerSpec("a:b", {}), "folder": Path()}
    facts = {"model_type": "a", "family": "a", "weight_route": "a:b", "stop_ids": (), "placeholder_id": 0}
    return FamilyModel(
        **given,
        **facts,
        text_config={**TEXT, **text},
        context_length=9,
        dtype="float32",
        own_positions=own_positions,
        length_scaling=scaling,
    )


@pytest.mark.parametrize("model", [family(None, True), family(None, **LONGROPE), family(QWEN)])
def test_one_purpose_is_carried(model: FamilyModel) -> None:
    length_scaling.check_scaling(model)


@pytest.mark.parametrize("model", [family(QWEN, True), family(QWEN, **LONGROPE)])
def test_two_purposes_are_refused(model: FamilyModel) -> None:
    with pytest.raises(EngineOptionError, match="carries one of them"):
        length_scaling.check_scaling(model)


@pytest.mark.parametrize("name", ["head_dim", "rope_parameters", "max_position_embeddings"])
def test_numbers_that_are_needed(name: str) -> None:
    with pytest.raises(EngineOptionError, match=f"text_config has no {name}"):
        length_scaling.check_scaling(family(QWEN, **{name: None}))


def test_everything_that_is_relied_on_exists() -> None:
    check_lmdeploy(length_scaling.NEEDED)
