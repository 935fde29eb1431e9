"""The engine gives the official tokens, however requests are mixed, cut, cached and shared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from plugins.xcomposer2_5.tests.conftest import TYPE
from tests.changed_weights import Change, Weights, with_another, without, write_changed
from tests.family_engine import cpu_pipeline, largest_difference, streamed
from tests.reference import Reference, ids
from vlmplug.engine.options import EngineOptions
from vlmplug.errors import WeightsError
from vlmplug.pipeline import Pipeline, open_pipeline
from vlmplug.verify import Selection, VerifyOptions, verify
from vlmplug.verify.forward_cases import EngineChoice

TURNS, TEXT = "images_accumulate", "text_only"
TOWER, PLORA = "vit.vision_tower.vision_model.", "model.layers.1.feed_forward."


@pytest.fixture(scope="module")
def reference(golden: Path) -> Reference:
    return Reference(golden, "tiny")


def opened(folder: Path, tp: int = 1, **scheduler: Any) -> Pipeline:
    return cpu_pipeline(TYPE, folder, tp, session_length=4096, **scheduler)


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
    assert streamed(pipeline, requests) == reference.greedy
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
            assert largest_difference(one, two) <= 1e-5


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without("plora_glb_GN"), r"1 missing \(vision plora_glb_GN\)"),
        (without(f"{PLORA}w3.Plora_B.weight"), rf"1 missing \({PLORA}w3.Plora_B.weight\)"),
        (
            with_another("model.layers.0.attention.wk.weight", 2, 2),
            r"1 unexpected \(model.layers.0.attention.wk.weight\)",
        ),
        (
            with_another("model.layers.2.attention.wo.Plora_A.weight", 8, 128),
            r"model.layers.2.attention.wo.Plora_A.weight is \[8, 128\], expected \[16, 128\]",
        ),
        (with_another("vision_proj.2.bias", 64), r"vision_proj.2.bias is \[64\], expected \[128\]"),
    ],
)
def test_weights_that_do_not_fit_are_named(golden: Path, tmp_path: Path, change: Change, says: str) -> None:
    write_changed(golden / "tiny", tmp_path, change)
    with pytest.raises(WeightsError, match=says):
        opened(tmp_path)


def swapped(weights: Weights) -> None:
    """Without what ``chat`` never computes, and with the additions for web pages, which it never uses."""
    for part in ("weight", "bias"):
        del weights[f"{TOWER}post_layernorm.{part}"]
    layer = "model.layers.0.attention.wo.lora_web_"
    weights |= {f"{layer}A.weight": np.ones((32, 128), np.float32), f"{layer}B.weight": np.ones((128, 32), np.float32)}


def test_what_chat_does_not_use_may_be_there_or_not(golden: Path, tmp_path: Path, reference: Reference) -> None:
    write_changed(golden / "tiny", tmp_path, swapped)
    with opened(tmp_path) as made:
        assert ids(made.generate(reference.request(TEXT))) == reference.greedy[TEXT]


def test_random_weights_answer(golden: Path, reference: Reference) -> None:
    options = EngineOptions("cpu", threads=1, weights="random", seed=3, session_length=4096)
    with open_pipeline(TYPE, golden / "tiny", options) as made:
        answer = made.generate(reference.request("one_image_system", max_new_tokens=4))
    assert len(ids(answer)) == 4
    assert answer.media_tokens == 841


@pytest.mark.usefixtures("own_cache")
def test_weights_in_pytorchs_own_files(golden: Path, without_weights: Path, reference: Reference) -> None:
    """Sizes that only weights tell are read from these, too; official repositories of this family have them."""
    torch.save(load_file(golden / "tiny" / "model.safetensors"), without_weights / "pytorch_model.bin")
    with opened(without_weights) as made:
        assert ids(made.generate(reference.request(TEXT))) == reference.greedy[TEXT]
