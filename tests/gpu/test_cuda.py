"""What only a GPU can show: the official tokens under CUDA graphs, quantised caches, memory that comes back."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.reference import Reference, ids
from vlmplug.conversation import Conversation, PromptOptions, user_message
from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.errors import DeviceError, EngineMemoryError, EngineStoppedError
from vlmplug.pipeline import Pipeline, Request, open_pipeline
from vlmplug.sampling import Answer, Sampling

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]

EXAMPLES = Path(__file__).parents[2] / "examples"
#: Share of the free memory: several engines live beside each other here.
SHARE = 0.05
MODES = {
    "graphs": SchedulerOptions(prefix_caching=False),
    "eager": SchedulerOptions(prefix_caching=False, eager=True),
    "chunked": SchedulerOptions(prefix_caching=False, max_prefill_tokens=64),
    "cached": SchedulerOptions(block_size=16),
}


@pytest.fixture(scope="module")
def reference(golden: Path) -> Reference:
    return Reference(golden, "tiny")


@pytest.fixture(scope="module")
def pipelines(golden: Path) -> Iterator[Callable[[str], Pipeline]]:
    made: dict[str, Pipeline] = {}

    def make(mode: str) -> Pipeline:
        if mode not in made:
            options = EngineOptions("cuda", "float32", cache_share=SHARE, scheduler=MODES[mode])
            made[mode] = open_pipeline("internvl2-2b", golden / "tiny", options)
        return made[mode]

    yield make
    for pipeline in made.values():
        pipeline.close()


@pytest.mark.parametrize("mode", MODES)
def test_official_tokens_one_by_one_and_all_at_once(
    pipelines: Callable[[str], Pipeline], reference: Reference, mode: str
) -> None:
    pipeline, requests = pipelines(mode), [reference.request(name) for name in reference.greedy]
    assert tuple(ids(pipeline.generate(request)) for request in requests) == tuple(reference.greedy.values())
    assert tuple(map(ids, pipeline.generate_batch(requests))) == tuple(reference.greedy.values())


def test_seeded_sampling_does_not_depend_on_the_batch(
    pipelines: Callable[[str], Pipeline], reference: Reference
) -> None:
    pipeline = pipelines("graphs")
    requests = [reference.request("one_image_no_tag", temperature=1.5, seed=seed) for seed in range(4)]
    alone = [ids(pipeline.generate(request)) for request in requests]
    assert [ids(answer) for answer in pipeline.generate_batch(requests)] == alone


def asked(text: str, *images: str) -> Request:
    message = user_message(text, tuple(EXAMPLES / name for name in images))
    return Request(Conversation((message,)), PromptOptions(placement="beside"), Sampling(max_new_tokens=64))


QUESTIONS = (
    asked("Describe the image.", "shapes.png"),
    asked("What is the difference between the two images?", "pair_before.png", "pair_after.png"),
    asked("Who are you?"),
)


@pytest.mark.parametrize(
    ("dtype", "quant_policy"), [("auto", 0), ("float16", 0), ("bfloat16", 8), ("bfloat16", 4)], ids=str
)
def test_the_embedded_model_says_the_same_in_every_precision(dtype: str, quant_policy: int) -> None:
    exact = EngineOptions("cuda", "float32", cache_share=SHARE)
    expected = [answer.text for answer in map(answered, pipeline_answers(exact))]
    options = EngineOptions("cuda", dtype, cache_share=SHARE, quant_policy=quant_policy)  # type: ignore[arg-type]
    assert [answer.text for answer in map(answered, pipeline_answers(options))] == expected


def pipeline_answers(options: EngineOptions) -> list[object]:
    with open_pipeline("internvl2-tiny", options=options) as pipeline:
        return list(pipeline.generate_batch(QUESTIONS))


def answered(answer: object) -> Answer:
    assert isinstance(answer, Answer), answer
    return answer


def test_closing_gives_the_memory_back() -> None:
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    with open_pipeline("internvl2-tiny", options=EngineOptions("cuda", cache_share=0.5)) as pipeline:
        pipeline.generate(QUESTIONS[0])
        held = torch.cuda.memory_allocated() - before
    gc.collect()
    assert torch.cuda.memory_allocated() - before < held / 100


def test_running_out_of_memory_is_told_and_the_next_request_works() -> None:
    with open_pipeline("internvl2-tiny", options=EngineOptions("cuda", cache_share=SHARE)) as pipeline:
        expected = pipeline.generate(QUESTIONS[0]).text
        hog = [torch.empty(torch.cuda.mem_get_info()[0] - 2**20 * 8, dtype=torch.uint8, device="cuda")]
        try:
            many = [replace(QUESTIONS[0], options=replace(QUESTIONS[0].options, media={})) for _ in range(256)]
            failures = [answer for answer in pipeline.generate_batch(many) if not isinstance(answer, Answer)]
        finally:
            hog.clear()
            torch.cuda.empty_cache()
        assert all(isinstance(failure, EngineMemoryError | EngineStoppedError) for failure in failures)
        assert pipeline.generate(QUESTIONS[0]).text == expected


def test_a_model_larger_than_the_gpu_is_refused_before_it_is_built(golden: Path) -> None:
    from vlmplug.checkpoint import open_source
    from vlmplug.host import PluginHost
    from vlmplug.pipeline import Preparer
    from vlmplug.registry import load_registry

    registry = load_registry()
    host = PluginHost(registry)
    small = host.load_model(open_source(registry, "internvl2-2b", golden / "tiny"))
    large = replace(small, text_config={**small.text_config, "hidden_size": 65536, "intermediate_size": 262144})
    with pytest.raises(EngineMemoryError, match="GiB are free on the cuda"):
        Pipeline(Preparer(host, large), EngineOptions("cuda", weights="random"))


def test_more_gpus_than_there_are() -> None:
    with pytest.raises(DeviceError, match="tp is 64"):
        open_pipeline("internvl2-tiny", options=EngineOptions("cuda", tp=64))
