"""LongRoPE by sequence: an answer does not depend on chunks, neighbours, cached prefixes or eviction."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from lmdeploy.pytorch.configurations import AutoModelConfigBuilder
from lmdeploy.pytorch.configurations.default import DefaultModelConfigBuilder
from lmdeploy.pytorch.models.module_map import CUSTOM_MODULE_MAP
from lmdeploy.pytorch.models.phi3 import Phi3ForCausalLM
from transformers import AutoConfig, Phi3Config
from transformers.models.phi3.modeling_phi3 import Phi3RotaryEmbedding

from vlmplug.engine import rope
from vlmplug.engine.compatibility import check_lmdeploy
from vlmplug.engine.cpu.config import CpuEngineOptions
from vlmplug.errors import EngineOptionError

from .conftest import VARIANTS
from .driver import Driver, Request
from .tiny_models import LONG_FROM, TinyModel, prompt, rewrite_config

Models = Callable[[str], TinyModel]

SHORT, EDGE, OVER, LONG = 20, LONG_FROM, LONG_FROM + 1, 150
LENGTHS = (SHORT, EDGE - 8, EDGE, OVER, LONG)


class LevelledPhi3Config(Phi3Config):
    model_type = "levelled_phi3"


class LevelledPhi3(Phi3ForCausalLM):
    """lmdeploy's Phi-3 with the level of each sequence, as the glue builds it."""

    def __init__(self, config: Any, ctx_mgr: Any, dtype: Any = None, device: Any = None) -> None:
        super().__init__(config, ctx_mgr, dtype=dtype, device=device)
        rope.use_longrope(self, config.to_dict())


class LevelledPhi3Builder(AutoModelConfigBuilder):
    @classmethod
    def condition(cls, hf_config: Any) -> bool:
        return hf_config.model_type == LevelledPhi3Config.model_type

    @classmethod
    def build(cls, hf_config: Any, model_path: str | None = None, **fields: Any) -> Any:
        config = DefaultModelConfigBuilder.build(hf_config, model_path, **fields)
        config.use_mrope = True
        return config


AutoConfig.register(LevelledPhi3Config.model_type, LevelledPhi3Config, exist_ok=True)
CUSTOM_MODULE_MAP["LevelledPhi3"] = f"{__name__}.LevelledPhi3"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """A tiny Phi-3 with LongRoPE under the name of our own class."""
    made = TinyModel("phi3_long", tmp_path_factory.mktemp("levelled"))
    rewrite_config(made.folder, architectures=["LevelledPhi3"], model_type=LevelledPhi3Config.model_type)
    return made


@pytest.fixture(scope="module")
def drivers(model: TinyModel) -> Iterator[Callable[[str], Driver]]:
    text_config, made = model.reference.config.to_dict(), {}

    def make(variant: str) -> Driver:
        if variant not in made:
            options = dataclasses.replace(VARIANTS[variant], session_len=400)
            made[variant] = Driver(model.folder, options, lambda engine: rope.attach(engine, text_config))
        return made[variant]

    yield make
    for driver in made.values():
        driver.close()


def recomputed(model: TinyModel, ids: Sequence[int], tokens: int = 8) -> list[int]:
    """Greedy tokens with everything computed again for each: no cache that could hold other factors."""
    everything = list(ids)
    for _ in range(tokens):
        everything.append(int(model.logits(everything)[-1].argmax()))
    return everything[len(ids) :]


def within_limit(ids: Sequence[int]) -> int:
    """Tokens to ask for: a few, and no more than a sequence may have before its factors change."""
    return min(8, rope.tokens_before_crossing(len(ids), LONG_FROM) or 8)


def asked(ids: Sequence[int]) -> Request:
    return Request(ids, within_limit(ids))


def answers(driver: Driver, *prompts: Sequence[int]) -> list[list[int]]:
    return [answer.tokens for answer in driver.ask(*map(asked, prompts))]


class TestAnswers:
    @pytest.mark.parametrize("variant", ["plain", "chunked", "prefix"])
    @pytest.mark.parametrize("length", LENGTHS)
    def test_alone(self, variant: str, length: int, drivers: Callable[[str], Driver], model: TinyModel) -> None:
        ids = prompt(length)
        tokens = within_limit(ids)
        assert answers(drivers(variant), ids) == [recomputed(model, ids, tokens)] == [model.greedy(ids, tokens)]

    @pytest.mark.parametrize("variant", ["plain", "chunked", "prefix"])
    def test_short_and_long_in_one_batch(
        self, variant: str, drivers: Callable[[str], Driver], model: TinyModel
    ) -> None:
        prompts = [prompt(length, seed=1) for length in LENGTHS]
        want = [recomputed(model, ids, within_limit(ids)) for ids in prompts]
        assert answers(drivers(variant), *prompts) == want
        assert answers(drivers(variant), *prompts[::-1]) == want[::-1]

    def test_a_long_prompt_does_not_reuse_keys_of_a_short_one(
        self, drivers: Callable[[str], Driver], model: TinyModel
    ) -> None:
        driver, beginning = drivers("prefix"), prompt(48, seed=2)
        prompts = [beginning + prompt(extra, seed=3) for extra in (4, 100, 8, 90)]
        found = [driver.ask(asked(ids))[0] for ids in prompts]
        assert [answer.tokens for answer in found] == [recomputed(model, ids, within_limit(ids)) for ids in prompts]
        assert [answer.cached for answer in found] == [0, 0, 48, 48], "equal beginnings of one level are reused"

    def test_after_eviction(self, drivers: Callable[[str], Driver], model: TinyModel) -> None:
        prompts = [prompt(length, seed=4) for length in (SHORT, 70, 80, 90)]
        want = [recomputed(model, ids, 36) for ids in prompts]
        found = drivers("tight").ask(*(Request(ids, 36) for ids in prompts))
        assert [answer.tokens for answer in found] == want
        assert max(answer.scheduled for answer in found) > 1, "nobody was thrown out"

    def test_the_border_is_crossed_by_a_new_prompt(self, drivers: Callable[[str], Driver], model: TinyModel) -> None:
        ids, driver = prompt(SHORT, seed=5), drivers("prefix")
        room = rope.tokens_before_crossing(len(ids), LONG_FROM)
        assert room is not None
        (first,) = driver.tokens(ids, tokens=room)
        (second,) = driver.tokens([*ids, *first], tokens=12)
        assert first + second == recomputed(model, ids, room + 12) == model.greedy(ids, room + 12)


def test_lmdeploys_own_rule_depends_on_the_batch(tiny: Models) -> None:
    """Why all this is needed: beside a long prompt, a short one is answered with long factors."""
    model = tiny("phi3_long")
    driver = Driver(model.folder, CpuEngineOptions(1 << 22, threads=1))
    try:
        short, long = prompt(SHORT, seed=6), prompt(LONG, seed=6)
        (alone,), (beside, _) = driver.tokens(short), driver.tokens(short, long)
    finally:
        driver.close()
    assert alone == recomputed(model, short)
    assert beside != alone


CONFIG = Phi3Config(
    hidden_size=64,
    num_attention_heads=4,
    max_position_embeddings=1024,
    original_max_position_embeddings=64,
    pad_token_id=None,
    rope_parameters={
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "short_factor": [1.0 + 0.1 * i for i in range(8)],
        "long_factor": [2.0 + i for i in range(8)],
        "original_max_position_embeddings": 64,
    },
)


class TestRotary:
    @pytest.mark.parametrize(("level", "length"), [(0, 64), (1, 65), (1, 900)])
    @pytest.mark.parametrize("changes", [{}, {"attention_factor": 1.5}, {"factor": 1.0}, {"factor": 8.0}], ids=str)
    def test_tables_are_those_of_transformers(self, level: int, length: int, changes: dict[str, float]) -> None:
        config = Phi3Config(**{**CONFIG.to_dict(), "rope_parameters": {**CONFIG.rope_parameters, **changes}})
        positions, x = torch.arange(length)[None], torch.zeros(1)
        want = Phi3RotaryEmbedding(config)(x, positions)
        found = rope.longrope_rotary(config.to_dict(), "cpu")(x, positions + (level << rope.LEVEL_SHIFT))
        torch.testing.assert_close(found, want)

    def test_levels_are_chosen_token_by_token(self) -> None:
        rotary = rope.LevelledRotary(torch.tensor([[1.0, 0.5], [0.1, 0.2]]), scale=2.0)
        packed = torch.tensor([[3, (1 << rope.LEVEL_SHIFT) + 3]])
        cosines, sines = rotary(torch.zeros(1, dtype=torch.float64), packed)
        angles = [[3.0, 1.5, 3.0, 1.5], [0.3, 0.6, 0.3, 0.6]]
        for table, function in ((cosines, math.cos), (sines, math.sin)):
            want = torch.tensor([[[2 * function(angle) for angle in row] for row in angles]], dtype=torch.float64)
            torch.testing.assert_close(table, want, atol=1e-6, rtol=1e-6)

    def test_half_of_each_head_may_turn(self) -> None:
        changes = {"short_factor": [1.0] * 4, "long_factor": [2.0] * 4, "partial_rotary_factor": 0.5}
        config = {**CONFIG.to_dict(), "rope_parameters": {**CONFIG.rope_parameters, **changes}}
        assert rope.longrope_rotary(config, "cpu").frequencies.shape == (2, 4)

    def test_other_models_have_none(self) -> None:
        with pytest.raises(EngineOptionError, match="no LongRoPE"):
            rope.longrope_rotary({"rope_parameters": {"rope_type": "default"}}, "cpu")


LIMITS = {
    "transformers 5": ({"rope_parameters": {"rope_type": "longrope", "original_max_position_embeddings": 9}}, 9),
    "transformers 4": ({"rope_scaling": {"type": "longrope"}, "original_max_position_embeddings": 4096}, 4096),
    "the first name": ({"rope_scaling": {"type": "su"}, "original_max_position_embeddings": 4096}, 4096),
    "another scaling": ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, None),
    "no scaling": ({"rope_scaling": None, "original_max_position_embeddings": 4096}, None),
    "nothing at all": ({}, None),
}


@pytest.mark.parametrize(("config", "limit"), LIMITS.values(), ids=LIMITS)
def test_crossing_limit(config: dict[str, Any], limit: int | None) -> None:
    assert rope.crossing_limit(config) == limit


def test_a_limit_is_needed() -> None:
    with pytest.raises(EngineOptionError, match="original_max_position_embeddings"):
        rope.crossing_limit({"rope_scaling": {"type": "longrope"}})


@pytest.mark.parametrize(("prompt_tokens", "room"), [(1, 64), (63, 2), (64, 1), (65, None), (500, None)])
def test_tokens_before_crossing(prompt_tokens: int, room: int | None) -> None:
    assert rope.tokens_before_crossing(prompt_tokens, limit=64) == room


def test_everything_that_is_relied_on_exists() -> None:
    check_lmdeploy(rope.NEEDED)
