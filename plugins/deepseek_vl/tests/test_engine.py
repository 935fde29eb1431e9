"""The whole model on lmdeploy's engine: official tokens in every way to run it, in both formats, on two ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from plugins.deepseek_vl.tests.native_checkpoint import native_model
from tests.family_engine import cpu_pipeline, logits, streamed
from tests.reference import Reference, ids
from vlmplug.config_json import read_config
from vlmplug.conversation import Conversation, user_message
from vlmplug.engine.options import EngineOptions
from vlmplug.pipeline import Pipeline, Request, open_pipeline
from vlmplug.sampling import Sampling

TYPE = "deepseek-vl-7b-chat"
ONE, TWO, LATER, TEXT = "one_image_tag_first", "two_images_numbered", "images_in_two_turns", "text_only"


def opened(folder: Path, model_type: str = TYPE, tp: int = 1, **scheduler: Any) -> Pipeline:
    return cpu_pipeline(model_type, folder, tp, max_prefill_tokens=128, **scheduler)


@pytest.fixture(scope="module")
def reference(golden: Path) -> Reference:
    return Reference(golden, "tiny_7b")


@pytest.fixture(scope="module")
def pipeline(golden: Path) -> Iterator[Pipeline]:
    with opened(golden / "tiny_7b", prefix_caching=True) as made:
        yield made


def test_official_tokens_batched_chunked_and_out_of_the_cache(pipeline: Pipeline, reference: Reference) -> None:
    names = [ONE, TWO, LATER, TEXT]
    requests = [reference.request(name) for name in names]
    expected = [reference.greedy[name] for name in names]
    assert [ids(answer) for answer in pipeline.generate_batch(requests)] == expected
    again = pipeline.generate_batch(requests)
    assert [ids(answer) for answer in again] == expected
    assert all(answer.cached_tokens for answer in again[:3])


def test_streaming_gives_the_same(pipeline: Pipeline, reference: Reference) -> None:
    assert streamed(pipeline, {ONE: reference.request(ONE)}) == {ONE: reference.greedy[ONE]}


def test_a_second_turn_continues_what_was_said(pipeline: Pipeline, reference: Reference) -> None:
    first = reference.request(ONE, max_new_tokens=5)
    answer = pipeline.generate(first)
    messages = (*first.conversation.answered(answer.text, answer.token_ids), user_message("And then?"))
    request = replace(first, conversation=Conversation(messages), sampling=Sampling(max_new_tokens=6, ignore_stop=True))
    cached = pipeline.generate(request)
    assert cached.cached_tokens > 600
    with opened(pipeline.model.folder, prefix_caching=False) as fresh:
        assert fresh.generate(request).token_ids == cached.token_ids


@pytest.mark.slow
def test_two_ranks_agree_with_one(pipeline: Pipeline, reference: Reference, golden: Path) -> None:
    requests = [reference.request(name, prompt_logits=True) for name in (ONE, TWO, TEXT)]
    with opened(golden / "tiny_7b", tp=2) as shared:
        found = shared.generate_batch(requests)
    assert [ids(answer) for answer in found] == [reference.greedy[name] for name in (ONE, TWO, TEXT)]
    for one, other in zip(pipeline.generate_batch(requests), found, strict=True):
        assert np.abs(logits(one) - logits(other)).max() <= 1e-5


def test_the_format_of_transformers_gives_the_official_tokens(native_hybrid: Path, reference: Reference) -> None:
    with opened(native_hybrid, "deepseek-vl-7b-chat-hf") as pipeline:
        found = [ids(pipeline.generate(reference.request(name))) for name in (TWO, TEXT)]
    assert found == [reference.greedy[TWO], reference.greedy[TEXT]]


def test_the_small_layout_gives_transformers_own_tokens_in_either_format(
    single: Path, native_single: Path, reference: Reference
) -> None:
    request = reference.request(TWO, max_new_tokens=8, prompt_logits=True)
    answers = []
    for folder, model_type in ((single, "deepseek-vl-1_3b-chat"), (native_single, "deepseek-vl-1_3b-chat-hf")):
        with opened(folder, model_type) as pipeline:
            answers.append(pipeline.generate(request))
            prompt = pipeline.prepare(request).engine_input
    model = native_model(read_config(single), load_file(single / "model.safetensors"))
    model.config.image_token_id = model.model.config.image_token_id = pipeline.model.placeholder_id
    tiles = torch.from_numpy(np.concatenate([item.pixels for item in prompt.media]))
    pixels = tiles.permute(0, 3, 1, 2).float() / 127.5 - 1
    ids_so_far, rows = list(prompt.input_ids), []
    with torch.inference_mode():
        for _ in range(8):
            given = torch.tensor([ids_so_far])
            rows.append(model(input_ids=given, pixel_values=pixels, use_cache=False).logits[0, -1].numpy())
            ids_so_far.append(int(rows[-1].argmax()))
    for answer in answers:
        assert answer.token_ids == tuple(ids_so_far[-8:])
        assert np.abs(logits(answer) - rows[0]).max() <= 1e-4 * np.abs(rows[0]).max()


def test_random_weights_answer(golden: Path, reference: Reference) -> None:
    options = EngineOptions("cpu", threads=1, weights="random", seed=1)
    with open_pipeline(TYPE, golden / "tiny_7b", options) as pipeline:
        request: Request = reference.request(ONE, max_new_tokens=3)
        assert pipeline.generate(request).generated_tokens == 3
