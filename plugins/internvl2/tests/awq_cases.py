"""AWQ checkpoints of this family in small, beside the float checkpoints that they mean, and what is asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from plugins.internvl2.tests.official_checkpoint import LAYOUTS, Layout, OfficialCheckpoint
from plugins.internvl2.tests.test_language_models import QUESTIONS
from tests.awq_maker import write_awq
from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.pipeline import Pipeline, Request, open_pipeline
from vlmplug.sampling import Answer, Sampling

ASKED = ("text", "one tile", "thirteen tiles", "two pictures")
TOKENS = 8
PLAIN = SchedulerOptions(prefix_caching=False, logprobs_mode="logits")
EXACT = EngineOptions("cpu", "float32", threads=1, scheduler=PLAIN)
#: Heads of 128 do not run in float32 on Hopper, and the expected answers there are the float checkpoint's in float32.
_HEADS_OF_64 = {"num_attention_heads": 8, "num_key_value_heads": 4}


def _sized(name: str, model_type: str, **sizes: int) -> Layout:
    layout = LAYOUTS[name]
    return replace(layout, model_type=model_type, language={**layout.language, **sizes}, shards=1)


@dataclass(frozen=True)
class AwqCase:
    """A layout whose sizes are whole groups, also on two ranks, and where its ``config.json`` declares them."""

    layout: Layout
    group: int
    at_top: bool = False

    def write(self, folder: Path, exact: EngineOptions = EXACT) -> AwqFolders:
        """Both checkpoints in an empty folder."""
        (folder / "source").mkdir()
        OfficialCheckpoint(self.layout, folder / "source")
        return AwqFolders(self.layout.model_type, *write_awq(folder / "source", folder, self.group, self.at_top), exact)


CASES: Mapping[str, AwqCase] = {
    "InternLM2, groups of 128": AwqCase(
        _sized("26B, InternLM2, shards", "internvl2-26b-awq", hidden_size=512, intermediate_size=512, **_HEADS_OF_64),
        128,
    ),
    "Yi, groups of 64": AwqCase(
        _sized("40B, Yi", "internvl2-40b-awq", hidden_size=256, intermediate_size=384), 64, at_top=True
    ),
}


@dataclass(frozen=True)
class AwqFolders:
    """The AWQ checkpoint of a model type, the float one, and how that is run for the expected answers."""

    model_type: str
    awq: Path
    plain: Path
    exact: EngineOptions

    def open(self, options: EngineOptions) -> Pipeline:
        """The AWQ checkpoint in an engine."""
        return open_pipeline(self.model_type, self.awq, options)

    def open_plain(self, options: EngineOptions) -> Pipeline:
        """The float checkpoint in an engine."""
        return open_pipeline(self.model_type.removesuffix("-awq"), self.plain, options)

    @cached_property
    def expected(self) -> Mapping[str, Answer]:
        """The float checkpoint's answers in float32, one by one."""
        with self.open_plain(self.exact) as pipeline:
            return answers(pipeline)

    def errors(self, found: Mapping[str, Answer]) -> dict[str, float]:
        """By how much the logits of each differ from the expected ones at most."""
        return {key: float(np.abs(logits(found[key]) - logits(self.expected[key])).max()) for key in found}


def asked(key: str) -> Request:
    """Greedy, with the logits after the prompt and the two best of every step."""
    return Request(QUESTIONS[key], sampling=Sampling(TOKENS, ignore_stop=True, prompt_logits=True, logprobs=2))


def answers(pipeline: Pipeline) -> dict[str, Answer]:
    """One by one."""
    return {key: pipeline.generate(asked(key)) for key in ASKED}


def tokens(found: Mapping[str, Answer]) -> list[tuple[int, ...]]:
    """Generated ids."""
    return [answer.token_ids for answer in found.values()]


def logits(answer: Answer) -> npt.NDArray[Any]:
    """float32 [vocabulary], after the prompt."""
    return np.asarray(answer.prompt_logits, np.float32)
