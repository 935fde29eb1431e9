"""Cases that need the engine: features of the vision tower, logits, greedy ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from vlmplug.errors import DeviceError, EngineMissingError, GoldenSetError, VlmplugError
from vlmplug.host_options import HostOptions
from vlmplug.model import EngineInput
from vlmplug.pipeline import Pipeline, Request, open_pipeline
from vlmplug.registry import Registry
from vlmplug.sampling import Answer, Sampling
from vlmplug.verify import checks
from vlmplug.verify.features import Device, TowerProbe
from vlmplug.verify.golden_request import prompt_request
from vlmplug.verify.goldens import ForwardCase, GoldenSet
from vlmplug.verify.result import CaseResult, Finding, judged, refused
from vlmplug.verify.tensors import TensorFile, open_tensors

if TYPE_CHECKING:
    from vlmplug.engine.options import EngineOptions

Mode = Literal["alone", "batched", "chunked", "cached"]
Dtype = Literal["float32", "float16", "bfloat16"]
Outcome: TypeAlias = "Answer | VlmplugError"

#: How far margins must exceed the error of the logits for greedy ids to be comparable: both of two logits may err.
_MARGIN = 2.0
#: Tokens of one chunk, and of one block of the cache, where prompts are cut and reused; small, so that it happens.
_CHUNK, _BLOCK = 64, 16
#: Of the free memory, for keys and values: checkpoints of sets are tiny, and several sets may run at once on a GPU,
#: whose CUDA graphs would have tables of millions of blocks.
_CACHE_SHARE = 0.2


@dataclass(frozen=True)
class EngineChoice:
    """Where the engine runs, and in which of the modes; ``tp``: number of ranks that share the language model."""

    device: Device = "cpu"
    dtype: Dtype = "float32"
    modes: tuple[Mode, ...] = ("alone",)
    tp: int = 1


@dataclass(frozen=True)
class _Setting:
    """Scheduler settings of a mode, and how its requests are sent."""

    scheduler: Mapping[str, Any]
    ask: Callable[[Pipeline, list[Request]], list[Outcome]]


def run_forward(
    golden: GoldenSet,
    cases: Iterable[ForwardCase],
    choice: EngineChoice,
    registry: Registry,
    host: HostOptions | None = None,
) -> Iterator[CaseResult]:
    """Features, logits and greedy ids of each case, in each mode; features only in the first one.

    :raises GoldenSetError: a file of the set is broken.
    """
    tensors = open_tensors(golden.folder / "forward.safetensors")
    cases = list(cases)
    yield from (_variant(case) for case in cases if case.variant is not None)
    for checkpoint in golden.checkpoints:
        own = [case for case in cases if case.checkpoint == checkpoint and case.variant is None]
        for mode in choice.modes if own else ():
            yield from _Run(golden, registry, tensors, choice, mode, checkpoint, host).results(own)


def _variant(case: ForwardCase) -> CaseResult:
    reason = f"{case.variant} is a variant of the official code; the main result is the standard"
    return CaseResult("forward", case.checkpoint, f"{case.prompt}.{case.variant}", "not run", (), reason)


@dataclass(frozen=True)
class _Ready:
    """A case that can be sent to the engine, what came of comparing its features, and whether blocks of its prompt can
    be reused."""

    case: ForwardCase
    request: Request
    features: list[Finding]
    reusable: bool


_FeatureCheck: TypeAlias = Callable[[ForwardCase, EngineInput], list[Finding]]


@dataclass(frozen=True)
class _Run:
    """One checkpoint in one mode."""

    golden: GoldenSet
    registry: Registry
    tensors: TensorFile
    choice: EngineChoice
    mode: Mode
    checkpoint: str
    host: HostOptions | None

    def results(self, cases: list[ForwardCase]) -> list[CaseResult]:
        """A result for each case, unless the set or the caller's choice is wrong."""
        try:
            return self._compared(cases, self._options())
        except EngineMissingError as error:
            return self._not_run(cases, f"needs vlmplug[engine]. {error.problem}")
        except DeviceError as error:
            return self._not_run(cases, f"cannot run here. {error}")
        except GoldenSetError:
            raise
        except VlmplugError as error:
            return [refused(self._empty(case), error, undefined=False) for case in cases]

    def _not_run(self, cases: list[ForwardCase], reason: str) -> list[CaseResult]:
        return [replace(self._empty(case), reason=reason) for case in cases]

    def _compared(self, cases: list[ForwardCase], options: EngineOptions) -> list[CaseResult]:
        checkpoint = self.golden.checkpoints[self.checkpoint]
        with open_pipeline(checkpoint.stands_for, checkpoint.folder, options, self.registry, self.host) as pipeline:
            features = self._features(pipeline)
            results = [self._prepared(case, pipeline, features) for case in cases]
            ready = [entry for entry in results if isinstance(entry, _Ready)]
            outcomes = iter(_SETTINGS[self.mode].ask(pipeline, [entry.request for entry in ready]))
        return [self._result(entry, next(outcomes)) if isinstance(entry, _Ready) else entry for entry in results]

    def _prepared(self, case: ForwardCase, pipeline: Pipeline, features: _FeatureCheck) -> _Ready | CaseResult:
        """A case that can be sent, with what its features look like; or its result where it cannot."""
        try:
            request = self._request(case)
            prompt = pipeline.prepare(request).engine_input
            return _Ready(case, request, features(case, prompt), _is_reusable(prompt))
        except GoldenSetError:
            raise
        except VlmplugError as error:
            return refused(self._empty(case), error, undefined=False)

    def _request(self, case: ForwardCase) -> Request:
        sampling = Sampling(max_new_tokens=len(case.greedy), ignore_stop=True, prompt_logits=True)
        return prompt_request(self.golden, self.golden.prompts[case.checkpoint, case.prompt], sampling)

    def _result(self, entry: _Ready, outcome: Outcome) -> CaseResult:
        empty = self._empty(entry.case)
        if isinstance(outcome, VlmplugError):
            return refused(empty, outcome, undefined=False)
        reused, found = self._reused(entry, outcome), self._answer_findings(entry.case, outcome)
        return judged(empty, [*entry.features, *reused, *found])

    def _reused(self, entry: _Ready, answer: Answer) -> list[Finding]:
        """The second run of a cached case must have taken something from the cache, or nothing was tried."""
        if self.mode != "cached" or not entry.reusable:
            return []
        return [Finding("reused", "" if answer.cached_tokens else "nothing came out of the cache the second time")]

    def _answer_findings(self, case: ForwardCase, answer: Answer) -> list[Finding]:
        expected = self.tensors.read(case.logits).ravel()
        if answer.prompt_logits is None:
            return [Finding("logits", "the engine reported none")]
        logits = np.asarray(answer.prompt_logits, np.float32).ravel()
        findings = [self._tensor("logits", expected, logits, self.golden.tolerance.logits_rel)]
        if self._comparable(case, expected, logits):
            findings.append(checks.check_ids(case.greedy, answer.token_ids, "greedy"))
        return findings

    def _comparable(self, case: ForwardCase, expected: checks.Array, actual: checks.Array) -> bool:
        """Always in float32; in half precision only while margins exceed the error."""
        if self.choice.dtype == "float32" or expected.shape != actual.shape:
            return True
        return case.min_margin > _MARGIN * float(np.abs(expected - actual).max())

    def _tensor(self, check: str, expected: checks.Array, actual: checks.Array, limit: float) -> Finding:
        """In half precision the difference is measured, but the set has no limit for it."""
        return checks.check_tensor(check, expected, actual, limit if self.choice.dtype == "float32" else np.inf)

    def _features(self, pipeline: Pipeline) -> _FeatureCheck:
        """Features do not depend on the mode: compared in the first one only."""
        if self.mode != self.choice.modes[0]:
            return lambda case, prompt: []
        tower = TowerProbe(pipeline.model, self.choice.device, self.choice.dtype)
        return lambda case, prompt: self._feature_findings(case, prompt, tower)

    def _feature_findings(self, case: ForwardCase, prompt: EngineInput, tower: TowerProbe) -> list[Finding]:
        names = case.features
        if names is None:
            return []
        if len(prompt.spans) != len(names):
            return [Finding("features", f"expected {len(names)} media, got {len(prompt.spans)}")]
        steps = case.feature_rows or ((0, 1),) * len(names)
        limit = self.golden.tolerance.features_rel
        return [
            self._tensor("features", self.tensors.read(name), rows[first::step], limit)
            for name, rows, (first, step) in zip(names, _span_rows(prompt, tower), steps, strict=True)
        ]

    def _options(self) -> EngineOptions:
        try:
            from vlmplug.engine.options import EngineOptions, SchedulerOptions
        except ImportError as error:
            raise EngineMissingError(
                f"The engine cannot be imported ({error}).", 'Run: pip install "vlmplug[engine]".'
            ) from error
        scheduler = SchedulerOptions(logprobs_mode="logits", **_SETTINGS[self.mode].scheduler)
        return EngineOptions(
            device=self.choice.device,
            dtype=self.choice.dtype,
            tp=self.choice.tp,
            cache_share=_CACHE_SHARE,
            scheduler=scheduler,
        )

    def _empty(self, case: ForwardCase) -> CaseResult:
        return CaseResult("forward", case.checkpoint, case.prompt, "not run", mode=self.mode)


def _is_reusable(prompt: EngineInput) -> bool:
    """Whether a block ends in front of the prompt's last token and not inside of a picture, which is never split."""
    inside = {place for span in prompt.spans for place in range(span.start + 1, span.start + span.length)}
    borders = range(_BLOCK, len(prompt.input_ids), _BLOCK)
    return len(prompt.input_ids) >= 2 * _BLOCK and not inside.issuperset(borders)


def _span_rows(prompt: EngineInput, tower: TowerProbe) -> Iterator[checks.Array]:
    """What each span takes of the rows of its media item."""
    for item, spans in groupby(prompt.spans, lambda span: span.item):
        rows, begin = tower.rows(prompt.media[item]), 0
        for span in spans:
            yield rows[begin : begin + span.length]
            begin += span.length


def _one_by_one(pipeline: Pipeline, requests: list[Request]) -> list[Outcome]:
    return [pipeline.generate_batch([request])[0] for request in requests]


def _all_at_once(pipeline: Pipeline, requests: list[Request]) -> list[Outcome]:
    return pipeline.generate_batch(requests)


def _the_second_time(pipeline: Pipeline, requests: list[Request]) -> list[Outcome]:
    _one_by_one(pipeline, requests)
    return _one_by_one(pipeline, requests)


_SETTINGS: Mapping[Mode, _Setting] = {
    "alone": _Setting({"prefix_caching": False}, _one_by_one),
    "batched": _Setting({"prefix_caching": False}, _all_at_once),
    "chunked": _Setting({"prefix_caching": False, "max_prefill_tokens": _CHUNK, "block_size": _BLOCK}, _one_by_one),
    "cached": _Setting({"prefix_caching": True, "block_size": _BLOCK}, _the_second_time),
}
