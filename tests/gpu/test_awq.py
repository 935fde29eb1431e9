"""AWQ checkpoints on GPUs, with lmdeploy's kernels: groups of 128 have other ones than groups of 64 on Hopper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import takewhile

import pytest

from plugins.internvl2.tests.awq_cases import ASKED, CASES, PLAIN, AwqFolders, answers, asked
from vlmplug.conversation import Conversation, user_message
from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.pipeline import Request, open_pipeline
from vlmplug.registry import load_registry
from vlmplug.sampling import Answer, Sampling
from vlmplug.shape_folder import shape_folder

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]

MODES: Mapping[str, SchedulerOptions] = {
    "graphs": PLAIN,
    "eager": replace(PLAIN, eager=True),
    "chunked": replace(PLAIN, max_prefill_tokens=64),
    "cached": replace(PLAIN, prefix_caching=True, block_size=16),
}

Written = Callable[[str], AwqFolders]
Rounding = Callable[[str], dict[str, float]]


def options(mode: str, tp: int = 1) -> EngineOptions:
    """Data type ``auto``: float16, whatever the float checkpoint has."""
    return EngineOptions("cuda", tp=tp, cache_share=0.05, scheduler=MODES[mode])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    made: dict[str, AwqFolders] = {}

    def make(name: str) -> AwqFolders:
        if name not in made:
            exact = replace(options("eager"), dtype="float32")
            made[name] = CASES[name].write(tmp_path_factory.mktemp("awq"), exact)
        return made[name]

    return make


@pytest.fixture(scope="module")
def rounding(written: Written) -> Rounding:
    """By how much float16 changes the float checkpoint's logits for each question here."""
    made: dict[str, dict[str, float]] = {}

    def make(name: str) -> dict[str, float]:
        if name not in made:
            with written(name).open_plain(replace(options("eager"), dtype="float16")) as pipeline:
                made[name] = written(name).errors(answers(pipeline))
        return made[name]

    return make


def assert_exact(folders: AwqFolders, found: dict[str, Answer], rounding: dict[str, float]) -> None:
    """Kernels round weights to float16 as the float checkpoint's are, and add products in another order."""
    assert max(folders.errors(found).values()) <= 2 * max(rounding.values())


def assert_same_tokens(folders: AwqFolders, found: dict[str, Answer], rounding: dict[str, float]) -> None:
    """As far as the best token is ahead of the second by more than twice that rounding would change both."""
    certain = {key: _certain(answer, 4 * rounding[key]) for key, answer in folders.expected.items()}
    assert sum(certain.values()) >= len(ASKED)
    for key, number in certain.items():
        assert found[key].token_ids[:number] == folders.expected[key].token_ids[:number]


def _certain(answer: Answer, doubt: float) -> int:
    margins = (max(step.top.values()) - min(step.top.values()) for step in answer.logprobs)
    return sum(1 for _ in takewhile(lambda margin: margin > doubt, margins))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_alone_and_together(name: str, mode: str, written: Written, rounding: Rounding) -> None:
    with written(name).open(options(mode)) as pipeline:
        alone = answers(pipeline)
        batch = pipeline.generate_batch([asked(key) for key in ASKED])
    together = {key: answer for key, answer in zip(ASKED, batch, strict=True) if isinstance(answer, Answer)}
    for found in (alone, together):
        assert_exact(written(name), found, rounding(name))
        assert_same_tokens(written(name), found, rounding(name))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one GPU")
@pytest.mark.parametrize("name", CASES)
def test_two_gpus(name: str, written: Written, rounding: Rounding) -> None:
    with written(name).open(options("graphs", tp=2)) as pipeline:
        found = answers(pipeline)
    assert_exact(written(name), found, rounding(name))
    assert_same_tokens(written(name), found, rounding(name))


def test_random_weights_of_true_size() -> None:
    registry = load_registry()
    request = Request(
        Conversation((user_message("What is it?"),)), sampling=Sampling(8, ignore_stop=True, prompt_logits=True)
    )
    with (
        shape_folder(registry, "internvl2-2b-awq") as folder,
        open_pipeline("internvl2-2b-awq", folder, replace(options("graphs"), weights="random", seed=1)) as pipeline,
    ):
        answer = pipeline.generate(request)
    assert answer.prompt_logits is not None
    logits = torch.tensor(answer.prompt_logits)
    assert logits.isfinite().all() and logits.std() > 0
