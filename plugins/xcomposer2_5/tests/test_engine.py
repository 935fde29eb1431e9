"""The engine gives the official tokens, however requests are mixed, cut, cached and shared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from plugins.xcomposer2_5.tests.conftest import TYPE
from tests.reference import Reference, ids
from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.errors import WeightsError
from vlmplug.pipeline import Pipeline, open_pipeline
from vlmplug.sampling import Answer
from vlmplug.verify import Selection, VerifyOptions, verify
from vlmplug.verify.forward_cases import EngineChoice

TURNS, TEXT = "images_accumulate", "text_only"
TOWER = "vit.vision_tower.vision_model."


@pytest.fixture(scope="module")
def reference(golden: Path) -> Reference:
    return Reference(golden, "tiny")


def opened(folder: Path, tp: int = 1, **scheduler: object) -> Pipeline:
    options = SchedulerOptions(**{"block_size": 16, "logprobs_mode": "logits", **scheduler})  # type: ignore[arg-type]
    return open_pipeline(TYPE, folder, EngineOptions("cpu", tp=tp, threads=1, session_length=4096, scheduler=options))


@pytest.fixture(scope="module")
def pipeline(golden: Path) -> Iterator[Pipeline]:
    with opened(golden / "tiny", max_prefill_tokens=64, tower_tiles=3) as made:
        yield made


def test_every_case_of_the_set_passes_in_every_mode(reference: Reference) -> None:
    choice = EngineChoice("cpu", modes=("batched", "cached"))
    report = verify(reference.golden, VerifyOptions(Selection(("forward",)), choice))
    assert [result for result in report.results if result.outcome != "passed"] == []
    assert len(report.results) == 2 * len(reference.greedy) == 10


def test_streamed_and_all_at_once(pipeline: Pipeline, reference: Reference) -> None:
    """In chunks of 64 tokens; a batch of texts and pictures adds to the rows of the pictures alone."""
    requests = {name: reference.request(name) for name in reference.greedy}
    streamed = {
        name: tuple(token for delta in pipeline.stream(request) for token in delta.token_ids)
        for name, request in requests.items()
    }
    assert streamed == reference.greedy
    answers = pipeline.generate_batch([*requests.values(), *reversed(requests.values())])
    assert [ids(answer) for answer in answers] == [*reference.greedy.values(), *reversed(reference.greedy.values())]


def test_a_second_turn_reuses_the_picture_of_the_first(pipeline: Pipeline, reference: Reference) -> None:
    request = reference.request(TURNS)
    first = replace(request.conversation, messages=request.conversation.messages[:1])
    # officially the only picture may have more tiles than one of several; this one is small
    pipeline.generate(replace(request, conversation=first))
    answer = pipeline.generate(request)
    assert ids(answer) == reference.greedy[TURNS]
    assert answer.cached_tokens >= 841


@pytest.mark.slow
def test_two_processes_share_the_language_model_and_its_additions(
    golden: Path, pipeline: Pipeline, reference: Reference
) -> None:
    with opened(golden / "tiny", tp=2) as shared:
        for name in (TURNS, TEXT):
            request = reference.request(name, prompt_logits=True)
            one, two = pipeline.generate(request), shared.generate(request)
            assert ids(two) == reference.greedy[name]
            assert np.abs(logits(one) - logits(two)).max() <= 1e-5 * np.abs(logits(one)).max()


def logits(answer: Answer) -> np.ndarray:
    return np.asarray(answer.prompt_logits, np.float64)


@pytest.mark.parametrize(
    ("lost", "added", "says"),
    [
        ("plora_glb_GN", {}, r"1 missing \(vision plora_glb_GN\)"),
        (
            "model.layers.1.feed_forward.w3.Plora_B.weight",
            {},
            r"1 missing \(language model.layers.1.feed_forward.w3.Plora_B.weight\)",
        ),
        ("", {"model.layers.0.attention.wk.weight": (2, 2)}, r"1 unexpected \(model.layers.0.attention.wk.weight\)"),
        (
            "",
            {"model.layers.2.attention.wo.Plora_A.weight": (8, 128)},
            r"model.layers.2.attention.wo.Plora_A.weight is \[8, 128\], expected \[16, 128\]",
        ),
        ("", {"vision_proj.2.bias": (64,)}, r"vision_proj.2.bias is \[64\], expected \[128\]"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    golden: Path, without_weights: Path, lost: str, added: dict[str, tuple[int, ...]], says: str
) -> None:
    weights = load_file(golden / "tiny" / "model.safetensors")
    weights |= {name: np.zeros(shape, np.float32) for name, shape in added.items()}
    save_file({name: value for name, value in weights.items() if name != lost}, without_weights / "model.safetensors")
    with pytest.raises(WeightsError, match=says):
        opened(without_weights)


def test_what_chat_does_not_use_may_be_there_or_not(golden: Path, without_weights: Path, reference: Reference) -> None:
    weights = load_file(golden / "tiny" / "model.safetensors")
    del weights[f"{TOWER}post_layernorm.weight"], weights[f"{TOWER}post_layernorm.bias"]
    layer = "model.layers.0.attention.wo.lora_web_"
    weights |= {f"{layer}A.weight": np.ones((32, 128), np.float32), f"{layer}B.weight": np.ones((128, 32), np.float32)}
    save_file(weights, without_weights / "model.safetensors")
    with opened(without_weights) as made:
        assert ids(made.generate(reference.request(TEXT))) == reference.greedy[TEXT]


def test_random_weights_answer(golden: Path, reference: Reference) -> None:
    options = EngineOptions("cpu", threads=1, weights="random", seed=3, session_length=4096)
    with open_pipeline(TYPE, golden / "tiny", options) as made:
        answer = made.generate(reference.request("one_image_system", max_new_tokens=4))
    assert len(ids(answer)) == 4
    assert answer.media_tokens == 841
