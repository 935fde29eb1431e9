"""Features, logits and greedy ids come from the engine itself; planted errors are found and named."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.verify.conftest import Edit
from vlmplug.errors import ContextLengthError, DeviceError, GoldenSetError, VlmplugError
from vlmplug.model import EngineInput, MediaInput, MediaSpan
from vlmplug.pipeline import Prepared, Request
from vlmplug.prompt import RenderedPrompt
from vlmplug.registry import load_registry
from vlmplug.sampling import Answer
from vlmplug.verify import CaseResult, Selection, VerifyOptions, forward_cases, read_golden_set, verify
from vlmplug.verify.forward_cases import EngineChoice, run_forward
from vlmplug.verify.goldens import ForwardCase, GoldenMessage, GoldenSet
from vlmplug.verify.tensors import open_tensors

RIGHT, WRONG_ID, WRONG_LOGITS, WRONG_FEATURES = (
    "one_image_tag",
    "text_multi_turn",
    "two_images_separate",
    "images_in_two_turns",
)


def wrong_id(content: Any) -> None:
    case = next(case for case in content["cases"] if case["prompt"] == WRONG_ID)
    case["greedy"][17] += 1


def change_tensor(folder: Path, name: str, amount: float) -> None:
    """Adds ``amount`` to the last value of a stored tensor."""
    path = folder / "forward.safetensors"
    file = open_tensors(path)
    values = file.read(name).copy()
    values.ravel()[-1] += amount
    content = bytearray(path.read_bytes())
    content[file.places[name] : file.places[name] + values.nbytes] = values.tobytes()
    path.write_bytes(content)


def test_planted_errors_are_found_and_right_cases_pass(edited: Edit) -> None:
    folder = edited("forward.json", wrong_id)
    change_tensor(folder, f"logits.tiny.{WRONG_LOGITS}", 0.5)
    change_tensor(folder, f"features.tiny.{WRONG_FEATURES}.1", 0.5)
    cases = (RIGHT, WRONG_ID, WRONG_LOGITS, WRONG_FEATURES)
    report = verify(read_golden_set(folder), VerifyOptions(Selection(("forward",), cases, ("tiny",))))
    assert not report.passed
    problems = {result.case: problem_of(result) for result in report.results}
    assert problems[RIGHT] == {}
    assert list(problems[WRONG_ID]) == ["greedy"]
    assert "first difference at 17" in problems[WRONG_ID]["greedy"]
    assert list(problems[WRONG_LOGITS]) == ["logits"]
    assert "at [575]" in problems[WRONG_LOGITS]["logits"]
    assert list(problems[WRONG_FEATURES]) == ["features"]
    rows, hidden = open_tensors(folder / "forward.safetensors").shapes[f"features.tiny.{WRONG_FEATURES}.1"]
    assert f"at [{rows - 1}, {hidden - 1}]" in problems[WRONG_FEATURES]["features"]


def problem_of(result: CaseResult) -> dict[str, str]:
    return {finding.check: finding.problem for finding in result.findings if not finding.passed}


@pytest.fixture(scope="module")
def golden_set(golden: Path) -> GoldenSet:
    return read_golden_set(golden)


@pytest.fixture(scope="module")
def text_case(golden_set: GoldenSet) -> ForwardCase:
    return next(case for case in golden_set.forward if case.prompt == WRONG_ID)


def test_without_the_engine_cases_are_not_run(
    golden_set: GoldenSet, text_case: ForwardCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vlmplug.engine.options", None)
    (result,) = run_forward(golden_set, [text_case], EngineChoice(), load_registry())
    assert result.outcome == "not run"
    assert result.reason.startswith("needs vlmplug[engine]")


def test_a_variant_is_not_the_standard(golden_set: GoldenSet, text_case: ForwardCase) -> None:
    variant = replace(text_case, variant="official_batched")
    (result,) = run_forward(golden_set, [variant], EngineChoice(), load_registry())
    assert (result.outcome, result.case) == ("not run", f"{WRONG_ID}.official_batched")
    assert "variant" in result.reason


PROMPT = EngineInput((1,) * 197)


class Recording:
    """In place of a loaded model: answers with what a test gives it, and remembers what it was asked."""

    def __init__(self, answer: Callable[[], Answer | VlmplugError], prompt: EngineInput) -> None:
        self.answer, self.prompt = answer, prompt
        self.batches: list[int] = []
        self.options: list[Any] = []
        self.model = None

    def open(self, model_type: str, folder: Path, options: Any, registry: Any, host: Any) -> Recording:
        self.options.append(options)
        return self

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def prepare(self, request: Request) -> Prepared:
        return Prepared(RenderedPrompt(()), self.prompt, 0.0)

    def generate_batch(self, requests: list[Request]) -> list[Answer | VlmplugError]:
        self.batches.append(len(requests))
        return [self.answer() for _ in requests]


def recorded(
    golden_set: GoldenSet,
    case: ForwardCase,
    choice: EngineChoice,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[], Answer | VlmplugError],
    prompt: EngineInput = PROMPT,
) -> tuple[list[CaseResult], Recording]:
    recording = Recording(answer, prompt)
    monkeypatch.setattr(forward_cases, "open_pipeline", recording.open)
    monkeypatch.setattr(forward_cases, "TowerProbe", lambda *arguments: None)
    return list(run_forward(golden_set, [case, case], choice, load_registry())), recording


def answer_of(golden_set: GoldenSet, case: ForwardCase, shift: float = 0.0, cached: int = 16) -> Answer:
    logits = open_tensors(golden_set.folder / "forward.safetensors").read(case.logits)
    return Answer(
        text="",
        token_ids=case.greedy,
        finish_reason="length",
        prompt_tokens=197,
        media_tokens=0,
        cached_tokens=cached,
        prompt_logits=tuple((logits + np.float32(shift)).tolist()),
    )


@pytest.mark.parametrize(
    ("mode", "batches", "chunk", "caching"),
    [
        ("alone", [1, 1], 8192, False),
        ("batched", [2], 8192, False),
        ("chunked", [1, 1], 64, False),
        ("cached", [1, 1, 1, 1], 8192, True),
    ],
)
def test_what_each_mode_asks_of_the_engine(
    mode: Any,
    batches: list[int],
    chunk: int,
    caching: bool,
    golden_set: GoldenSet,
    text_case: ForwardCase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choice = EngineChoice(modes=(mode,))
    results, recording = recorded(golden_set, text_case, choice, monkeypatch, lambda: answer_of(golden_set, text_case))
    assert [(result.outcome, result.mode) for result in results] == [("passed", mode)] * 2
    assert recording.batches == batches
    (options,) = recording.options
    assert (options.device, options.dtype) == ("cpu", "float32")
    assert (options.scheduler.max_prefill_tokens, options.scheduler.prefix_caching) == (chunk, caching)


def test_a_cache_that_gives_nothing_is_a_failure(
    golden_set: GoldenSet, text_case: ForwardCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, _ = recorded(
        golden_set,
        text_case,
        EngineChoice(modes=("cached",)),
        monkeypatch,
        lambda: answer_of(golden_set, text_case, cached=0),
    )
    assert [problem_of(result) for result in results] == [
        {"reused": "nothing came out of the cache the second time"}
    ] * 2


PICTURE = MediaInput(np.zeros((1, 28, 28, 3), np.uint8), 18, None, (0.5,) * 3, (0.5,) * 3)
#: Prompts, and whether blocks of 16 of them can be taken from the cache: in front of the last token, not in a picture.
REUSE = {
    "a text of two blocks": (EngineInput((1,) * 32), True),
    "a text that is too short": (EngineInput((1,) * 31), False),
    "a picture over the only border": (EngineInput((1,) * 32, (MediaSpan(0, 4, 18),), (PICTURE,)), False),
    "a picture up to the border": (EngineInput((1,) * 34, (MediaSpan(0, 0, 16),), (PICTURE,)), True),
    "a picture with a border behind it": (EngineInput((1,) * 33, (MediaSpan(0, 4, 18),), (PICTURE,)), True),
}


@pytest.mark.parametrize(("prompt", "reusable"), REUSE.values(), ids=REUSE)
def test_only_what_can_be_reused_has_to_be(
    prompt: EngineInput,
    reusable: bool,
    golden_set: GoldenSet,
    text_case: ForwardCase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choice, nothing = EngineChoice(modes=("cached",)), answer_of(golden_set, text_case, cached=0)
    text_case = replace(text_case, features=None)
    results, _ = recorded(golden_set, text_case, choice, monkeypatch, lambda: nothing, prompt)
    assert ["reused" in problem_of(result) for result in results] == [reusable] * 2


def test_half_precision_has_no_limit_and_ids_only_where_margins_allow(
    golden_set: GoldenSet, text_case: ForwardCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = EngineChoice(dtype="bfloat16")
    other_ids = replace(text_case, greedy=tuple(reversed(text_case.greedy)))
    for shift, checks, outcome in ((0.5, ["logits"], "passed"), (0.0, ["logits", "greedy"], "failed")):
        results, _ = recorded(
            golden_set, other_ids, choice, monkeypatch, lambda s=shift: answer_of(golden_set, text_case, s)
        )
        assert [finding.check for finding in results[0].findings] == checks
        assert results[0].outcome == outcome
        assert results[0].findings[0].measured == pytest.approx(shift / 10, abs=0.2)


def test_a_request_that_fails_is_a_failure_with_its_typed_error(
    golden_set: GoldenSet, text_case: ForwardCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, _ = recorded(
        golden_set, text_case, EngineChoice(), monkeypatch, lambda: ContextLengthError("Too long.", "Shorten it.")
    )
    assert [(result.outcome, result.reason) for result in results] == [
        ("failed", "ContextLengthError: Too long. Shorten it.")
    ] * 2


def test_an_engine_that_reports_no_logits(
    golden_set: GoldenSet, text_case: ForwardCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    results, _ = recorded(
        golden_set,
        text_case,
        EngineChoice(),
        monkeypatch,
        lambda: replace(answer_of(golden_set, text_case), prompt_logits=None),
    )
    assert problem_of(results[0]) == {"logits": "the engine reported none"}


def test_a_device_that_is_not_there_is_no_failure(
    golden_set: GoldenSet, text_case: ForwardCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise DeviceError("No GPU is to be seen.", "Use device cpu.")

    monkeypatch.setattr(forward_cases, "open_pipeline", refuse)
    (result,) = run_forward(golden_set, [text_case], EngineChoice("cuda"), load_registry())
    assert result.outcome == "not run"
    assert result.reason == "cannot run here. No GPU is to be seen. Use device cpu."


def test_a_set_that_breaks_on_the_way_is_a_fault_of_the_set(
    golden_set: GoldenSet, text_case: ForwardCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = replace(text_case, logits="logits.lost")
    with pytest.raises(GoldenSetError, match=r"has no tensor 'logits\.lost'"):
        recorded(golden_set, lost, EngineChoice(), monkeypatch, lambda: answer_of(golden_set, text_case))


def test_several_gpus_are_asked_of_the_engine(
    golden_set: GoldenSet, text_case: ForwardCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = EngineChoice("cuda", tp=2)
    _, recording = recorded(golden_set, text_case, choice, monkeypatch, lambda: answer_of(golden_set, text_case))
    assert [(options.device, options.tp) for options in recording.options] == [("cuda", 2)]


def test_a_model_that_cannot_be_loaded_fails_each_case(golden_set: GoldenSet, text_case: ForwardCase) -> None:
    tiny = golden_set.checkpoints["tiny"]
    strange = replace(golden_set, checkpoints={"tiny": replace(tiny, stands_for="gpt-9")})
    results = list(run_forward(strange, [text_case, text_case], EngineChoice(), load_registry()))
    assert [result.outcome for result in results] == ["failed", "failed"]
    assert results[0].reason.startswith("UnknownModelTypeError")


def test_a_conversation_that_cannot_be_held_fails_alone(
    golden_set: GoldenSet, text_case: ForwardCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = (text_case.checkpoint, text_case.prompt)
    observing = replace(golden_set.prompts[key], id="observing", messages=(GoldenMessage("observation", ()),))
    strange = replace(golden_set, prompts={**golden_set.prompts, ("tiny", "observing"): observing})
    recording = Recording(lambda: answer_of(golden_set, text_case), PROMPT)
    monkeypatch.setattr(forward_cases, "open_pipeline", recording.open)
    monkeypatch.setattr(forward_cases, "TowerProbe", lambda *arguments: None)
    cases = [text_case, replace(text_case, prompt="observing"), text_case]
    results = list(run_forward(strange, cases, EngineChoice(modes=("batched",)), load_registry()))
    assert [result.outcome for result in results] == ["passed", "failed", "passed"]
    assert results[1].reason.startswith("ConversationError")
    assert recording.batches == [2]
