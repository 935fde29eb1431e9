"""Every language model of the family answers in the engine as transformers does, however its requests are run."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pytest
import torch
from transformers import AutoTokenizer

from plugins.internvl2.tests.official_checkpoint import LAYOUTS, LONG_FROM, OfficialCheckpoint
from tests.reference import ids
from vlmplug.conversation import Conversation, assistant_message, system_message, user_message
from vlmplug.engine.actor import Generation
from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.engine.request import EngineRequest
from vlmplug.model import EngineInput
from vlmplug.pipeline import Pipeline, Request, open_pipeline
from vlmplug.registry import load_registry
from vlmplug.sampling import Sampling

TOKENS = 16
MODES: Mapping[str, SchedulerOptions] = {
    "plain": SchedulerOptions(prefix_caching=False),
    "chunked": SchedulerOptions(prefix_caching=False, max_prefill_tokens=64),
    "cached": SchedulerOptions(),
}

Made = Callable[[str], OfficialCheckpoint]
Opened = Callable[[str, str], Pipeline]
Expected = Callable[[str], dict[str, tuple[int, ...]]]


def picture(width: int, height: int, seed: int) -> npt.NDArray[np.uint8]:
    """Broad stripes, so that pictures and their tiles differ."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin((x * (seed + band) + y * (3 - band)) / 29 + seed) for band in range(3)]
    return (127 + 120 * np.stack(waves, -1)).astype(np.uint8)


QUESTIONS: Mapping[str, Conversation] = {
    "text": Conversation((user_message("The cat sat where?\n  Tell me."),)),
    "short text": Conversation((system_message(""), user_message("What is it?"))),
    "one tile": Conversation((user_message("What is in this picture?", (picture(112, 112, 1),)),)),
    "thirteen tiles": Conversation(
        (user_message("Describe it in a few words, please; then count the stripes.", (picture(448, 336, 2),)),)
    ),
    "two pictures": Conversation((user_message("Compare.", (picture(112, 112, 3), picture(224, 112, 4))),)),
    "clip": Conversation((user_message("What changed?", (), ([picture(112, 112, seed) for seed in range(4)],)),)),
    "second turn": Conversation(
        (
            user_message("Look.", (picture(112, 112, 1),)),
            assistant_message("A cat."),
            user_message("And here?", (picture(112, 224, 5),)),
        )
    ),
}


def questions(name: str) -> Mapping[str, Conversation]:
    """Those that a checkpoint's model type takes: InternVL 1.5 knows no clips."""
    takes_clips = "video" in load_registry().model_type(LAYOUTS[name].model_type).modalities
    return {key: asked for key, asked in QUESTIONS.items() if takes_clips or key != "clip"}


def request(conversation: Conversation, tokens: int = TOKENS) -> Request:
    """Greedy, for exactly so many tokens."""
    return Request(conversation, sampling=Sampling(max_new_tokens=tokens, ignore_stop=True))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Made:
    torch.set_num_threads(1)
    made: dict[str, OfficialCheckpoint] = {}

    def make(name: str) -> OfficialCheckpoint:
        if name not in made:
            made[name] = OfficialCheckpoint(LAYOUTS[name], tmp_path_factory.mktemp("checkpoint"))
        return made[name]

    return make


@pytest.fixture(scope="module")
def opened(checkpoint: Made) -> Iterator[Opened]:
    made: dict[tuple[str, str], Pipeline] = {}

    def make(name: str, mode: str) -> Pipeline:
        if (name, mode) not in made:
            official = checkpoint(name)
            options = EngineOptions(device="cpu", threads=1, scheduler=MODES[mode])
            made[name, mode] = open_pipeline(official.layout.model_type, official.folder, options)
        return made[name, mode]

    yield make
    for pipeline in made.values():
        pipeline.close()


@pytest.fixture(scope="module")
def expected(checkpoint: Made, opened: Opened) -> Expected:
    """The reference's answers to all questions, by checkpoint."""
    made: dict[str, dict[str, tuple[int, ...]]] = {}

    def make(name: str) -> dict[str, tuple[int, ...]]:
        if name not in made:
            prompts = {key: prepared(opened(name, "plain"), asked) for key, asked in questions(name).items()}
            made[name] = {key: checkpoint(name).greedy(prompt, TOKENS) for key, prompt in prompts.items()}
        return made[name]

    return make


def prepared(pipeline: Pipeline, conversation: Conversation) -> EngineInput:
    return pipeline.prepare(request(conversation)).engine_input


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", LAYOUTS)
def test_one_by_one_twice(name: str, mode: str, opened: Opened, expected: Expected) -> None:
    for _ in range(2):
        got = {key: ids(opened(name, mode).generate(request(asked))) for key, asked in questions(name).items()}
        assert got == expected(name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", LAYOUTS)
def test_all_at_once(name: str, mode: str, opened: Opened, expected: Expected) -> None:
    answers = opened(name, mode).generate_batch([request(asked) for asked in questions(name).values()])
    assert dict(zip(questions(name), map(ids, answers), strict=True)) == expected(name)


@pytest.mark.parametrize("name", LAYOUTS)
def test_answers_depend_on_what_is_shown(name: str, expected: Expected) -> None:
    assert len(set(expected(name).values())) == len(questions(name))


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_repeated_picture_comes_from_the_cache(name: str, opened: Opened, expected: Expected) -> None:
    pipeline, asked = opened(name, "cached"), request(QUESTIONS["thirteen tiles"])
    pipeline.generate(asked)
    answer = pipeline.generate(asked)
    assert answer.cached_tokens > answer.media_tokens == 13 * 16
    assert answer.token_ids == expected(name)["thirteen tiles"]


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_next_turn_continues_what_was_said(name: str, opened: Opened, checkpoint: Made) -> None:
    pipeline, first = opened(name, "cached"), QUESTIONS["one tile"]
    said = pipeline.generate(request(first))
    turns = (*first.answered(said.text, said.token_ids), user_message("Why?", (picture(224, 112, 6),)))
    answer = pipeline.generate(request(Conversation(turns)))
    prompt = prepared(pipeline, Conversation(turns))
    assert contains(prompt.input_ids, said.token_ids)
    assert answer.token_ids == checkpoint(name).greedy(prompt, TOKENS)


@pytest.mark.parametrize("name", ["76B, Llama 3, shards", "2.5, Qwen2.5"])
def test_ids_are_those_of_the_official_fast_tokenizer(name: str, opened: Opened, checkpoint: Made) -> None:
    official = AutoTokenizer.from_pretrained(checkpoint(name).folder)
    prompt = opened(name, "plain").prepare(request(QUESTIONS["text"]))
    assert list(prompt.engine_input.input_ids) == official(prompt.prompt.text("<image>")).input_ids


PHI3 = "4B, Phi-3"
#: Tokens of a prompt: far below the border of the rotary factors, right before it, on it, right behind it, far beyond.
LENGTHS = (40, LONG_FROM - 9, LONG_FROM - 1, LONG_FROM, LONG_FROM + 1, 200)


def text_of(length: int, seed: int) -> EngineInput:
    """A prompt of plain text tokens."""
    generator = torch.Generator().manual_seed(seed)
    return EngineInput(tuple(torch.randint(260, 500, (length,), generator=generator).tolist()))


def begin(pipeline: Pipeline, prompt: EngineInput, tokens: int = TOKENS) -> Generation:
    sampling = Sampling(max_new_tokens=tokens, ignore_stop=True)
    return pipeline._engine.submit(EngineRequest(prompt, sampling))


def said(generation: Generation) -> tuple[int, ...]:
    return tuple(token for step in generation for token in step.token_ids)


@pytest.mark.parametrize("mode", MODES)
class TestLongRope:
    @pytest.mark.parametrize("length", LENGTHS)
    def test_alone(self, mode: str, length: int, opened: Opened, checkpoint: Made) -> None:
        prompt = text_of(length, seed=1)
        found = said(begin(opened(PHI3, mode), prompt))
        assert found == checkpoint(PHI3).greedy(prompt, TOKENS) == checkpoint(PHI3).generated(prompt, TOKENS)

    def test_each_crosses_in_its_own_time(self, mode: str, opened: Opened, checkpoint: Made) -> None:
        pipeline = opened(PHI3, mode)
        prompts = [*(text_of(length, seed=2) for length in LENGTHS)]
        prompts += [prepared(pipeline, QUESTIONS[key]) for key in ("text", "one tile", "thirteen tiles")]
        under_way = [begin(pipeline, prompt) for prompt in prompts]
        assert [said(one) for one in under_way] == [checkpoint(PHI3).greedy(prompt, TOKENS) for prompt in prompts]

    def test_a_long_answer_about_a_picture_crosses(self, mode: str, opened: Opened, checkpoint: Made) -> None:
        short = Conversation((system_message(""), user_message("What is it?", (picture(224, 112, 7),))))
        prompt = prepared(opened(PHI3, mode), short)
        assert len(prompt.input_ids) < LONG_FROM - 50
        assert said(begin(opened(PHI3, mode), prompt, 90)) == checkpoint(PHI3).greedy(prompt, 90)


def test_the_factors_matter(checkpoint: Made) -> None:
    """The tests above would see it if long prompts got short factors."""
    official, prompt = checkpoint(PHI3), text_of(200, seed=1)
    config = copy.deepcopy(official.language.config)
    config.rope_parameters["long_factor"] = config.rope_parameters["short_factor"]
    careless = type(official.language)(config).eval()
    careless.load_state_dict(official.language.state_dict())
    ids = torch.tensor([prompt.input_ids])
    right, wrong = official.language(ids).logits[0, -1], careless(ids).logits[0, -1]
    assert right.argmax() != wrong.argmax()


def contains(whole: tuple[int, ...], part: tuple[int, ...]) -> bool:
    return any(whole[at : at + len(part)] == part for at in range(len(whole)))
