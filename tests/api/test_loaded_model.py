"""What a Python caller does first: load, ask, stream, send a batch, close."""

from __future__ import annotations

import gc
import json
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vlmplug
from tests.api.conftest import CLIP, CPU, LONG, SHAPES, at_work, until
from vlmplug.errors import (
    AmbiguousModelError,
    ContextLengthError,
    ConversationError,
    EngineError,
    EngineOptionError,
    EngineStoppedError,
    MediaError,
    OptionError,
    RequestError,
    UnknownModelTypeError,
)
from vlmplug.registry import load_registry

HOW_MANY = "How many shapes are there?"
FOUR = "There are four shapes."
Model = vlmplug.LoadedModel


class TestAnswers:
    def test_a_question_about_a_picture(self, model: Model) -> None:
        answer = model.generate(HOW_MANY, images=SHAPES)
        assert str(answer) == answer.text == FOUR
        assert answer.finish_reason == "stop"
        assert model.pipeline.model.tokenizer.decode(answer.token_ids) == FOUR
        assert (answer.generated_tokens, answer.media_tokens) == (5, 80)
        assert answer.text_tokens + answer.media_tokens == answer.prompt_tokens
        assert answer.logprobs == ()

    def test_a_question_about_a_clip(self, model: Model) -> None:
        answer = model.generate("Describe the video.", videos=CLIP)
        assert (answer.text, answer.media_tokens) == ("The pink square moves to the right.", 128)

    def test_timings(self, model: Model) -> None:
        timings = model.generate("Describe the image.", images=SHAPES).timings
        assert timings.prepare > 0
        assert 0 < timings.first_token < timings.total

    def test_the_length_is_limited(self, model: Model) -> None:
        answer = model.generate(HOW_MANY, images=SHAPES, sampling=vlmplug.Sampling(max_new_tokens=2))
        assert (answer.text, answer.finish_reason) == ("There are", "length")

    def test_a_stop_word_ends_it_and_the_engines_work(self, model: Model) -> None:
        sampling = replace(LONG, stop_words=("on a",))
        answer = model.generate("Describe the image.", images=SHAPES, sampling=sampling)
        assert (answer.text, answer.finish_reason) == ("The image shows four objects ", "stop")
        assert until(lambda: at_work(model) == 0)

    def test_a_seed_decides_whatever_else_runs(self, model: Model) -> None:
        sampling = vlmplug.Sampling(max_new_tokens=24, temperature=1.5, seed=7, ignore_stop=True)
        alone = model.generate("Tell me a story.", sampling=sampling)
        beside = model.batch(["Tell me a story.", HOW_MANY, "Tell me a story."], sampling=sampling)
        assert beside[0].token_ids == beside[2].token_ids == alone.token_ids  # type: ignore[union-attr]
        assert model.generate("Tell me a story.", sampling=replace(sampling, seed=8)).token_ids != alone.token_ids

    def test_logprobs_on_request(self, model: Model) -> None:
        answer = model.generate(HOW_MANY, images=SHAPES, sampling=vlmplug.Sampling(logprobs=3))
        assert [step.token_id for step in answer.logprobs] == list(answer.token_ids)
        for step in answer.logprobs:
            assert len(step.top) == 3
            assert step.logprob == max(step.top.values()) == step.top[step.token_id] <= 0

    def test_json_that_fits_a_schema(self, model: Model) -> None:
        properties = {"count": {"type": "integer", "minimum": 0, "maximum": 9}, "colour": {"enum": ["red", "blue"]}}
        schema = {"type": "object", "properties": properties, "required": list(properties)}
        answer = model.generate(HOW_MANY, images=SHAPES, sampling=vlmplug.Sampling(json_schema=schema))
        found = json.loads(answer.text)
        assert set(found) == {"count", "colour"}
        assert found["count"] in range(10)
        assert found["colour"] in ("red", "blue")

    def test_without_sampling_the_checkpoint_decides(self, model: Model) -> None:
        assert model.sampling == vlmplug.Sampling()
        assert (
            model.generate(HOW_MANY, images=SHAPES).token_ids
            == model.generate(HOW_MANY, images=SHAPES, sampling=model.sampling).token_ids
        )


class TestStreams:
    def test_the_deltas_are_the_answer(self, model: Model) -> None:
        *deltas, last = model.stream("Describe the image.", images=SHAPES)
        whole = model.generate("Describe the image.", images=SHAPES)
        assert all(delta.answer is None for delta in deltas)
        assert last.answer is not None
        assert last.answer.text == whole.text == "".join(delta.text for delta in (*deltas, last))
        assert tuple(token for delta in deltas for token in delta.token_ids) == whole.token_ids

    def test_leaving_the_loop_ends_the_engines_work(self, model: Model) -> None:
        for _ in model.stream("Hello", sampling=LONG):
            assert at_work(model) == 1
            break
        assert until(lambda: at_work(model) == 0)

    def test_closing_it_ends_the_engines_work(self, model: Model) -> None:
        stream = model.stream("Hello", sampling=LONG)
        next(stream)
        assert at_work(model) == 1
        stream.close()
        assert until(lambda: at_work(model) == 0)
        assert list(stream) == []

    def test_nothing_happens_before_it_is_iterated(self, model: Model) -> None:
        stream = model.stream("Hello", images="missing.png")
        with pytest.raises(MediaError, match=r"images\[0\]: 'missing.png'"):
            next(stream)


class TestBatch:
    def test_answers_come_in_order(self, model: Model) -> None:
        pictures = [vlmplug.Question(HOW_MANY, SHAPES), vlmplug.Question("Describe the image.", images=[SHAPES])]
        asked = ["Hello", *pictures, [vlmplug.user_message(HOW_MANY, (SHAPES,))]]
        answers = model.batch(asked)
        assert [str(answer) for answer in answers] == [model.generate(one).text for one in asked]

    def test_one_bad_request_fails_alone_with_its_index(self, model: Model) -> None:
        bad: list[Any] = [
            vlmplug.Question("What?", images=[SHAPES, "missing.png"]),
            vlmplug.Question("What?", images=SHAPES, media_options={"max_num": 99}),
            vlmplug.Question("word " * 20_000),
            vlmplug.Question("Hi", sampling=vlmplug.Sampling(stop_ids=(10**6,))),
            vlmplug.Question("Hi", sampling=5),  # type: ignore[arg-type]
            [],
            "",
            None,
        ]
        expected = [MediaError, OptionError, ContextLengthError, OptionError, OptionError] + [ConversationError] * 3
        answers = model.batch([vlmplug.Question(HOW_MANY, SHAPES), *bad, vlmplug.Question(HOW_MANY, SHAPES)])
        assert [str(answers[0]), str(answers[-1])] == [FOUR, FOUR]
        failed = [answer for answer in answers if isinstance(answer, vlmplug.FailedRequest)]
        assert [(one.index, type(one.error)) for one in failed] == list(enumerate(expected, 1))
        assert str(failed[0]).startswith("request 1: images[1]: 'missing.png' cannot be read")

    def test_what_foreign_objects_raise_is_their_requests_affair(self, model: Model) -> None:
        class Broken:
            def read(self, size: int, /) -> bytes:
                raise RuntimeError("gone")

        class Odd(Image.Image):
            size = (8, 8)  # type: ignore[assignment]

            def copy(self) -> Image.Image:
                raise LookupError("no picture")

        bad: list[Any] = [
            vlmplug.Question("x", media_options=3),  # type: ignore[arg-type]
            vlmplug.Question("x", vlmplug.ImagePart(SHAPES, 3)),  # type: ignore[arg-type]
            vlmplug.Question("x", images=Broken()),
            vlmplug.Question("x", images=Odd()),
            vlmplug.Question("x", sampling=np.zeros(2)),  # type: ignore[arg-type]
        ]
        first, *failed, last = model.batch(["Hello", *bad, "Hello"])
        assert str(first) == str(last) == model.generate("Hello").text
        errors = [one.error for one in failed if isinstance(one, vlmplug.FailedRequest)]
        expected = [OptionError, OptionError, MediaError, RequestError, RequestError]
        assert list(map(type, errors)) == expected
        assert str(errors[3]).startswith("The request cannot be prepared: LookupError: no picture.")
        assert isinstance(errors[3].__cause__, LookupError)

    @pytest.mark.parametrize("questions", ["Hello", None, 3, vlmplug.Question("Hello")])
    def test_what_is_no_list_of_questions(self, model: Model, questions: Any) -> None:
        with pytest.raises(ConversationError, match=f"The questions are of type {type(questions).__name__}"):
            model.batch(questions)

    def test_its_sampling_is_for_questions_that_bring_none(self, model: Model) -> None:
        two, three = (vlmplug.Sampling(max_new_tokens=count) for count in (2, 3))
        asked = ["Hello", vlmplug.Question("Hello", sampling=three)]
        lengths = [answer.generated_tokens for answer in model.batch(asked, sampling=two) if answer]  # type: ignore[union-attr]
        assert lengths == [2, 3]

    def test_an_empty_one(self, model: Model) -> None:
        assert model.batch([]) == []

    def test_more_than_are_under_way_at_once(self, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("vlmplug.batch.UNDER_WAY", 3)
        asked = [f"What is {number}?" for number in range(12)]
        answers = model.batch(asked, sampling=vlmplug.Sampling(max_new_tokens=4))
        assert [answer.generated_tokens for answer in answers] == [4] * 12  # type: ignore[union-attr]

    def test_stop_words_end_the_engines_work_on_each(self, model: Model) -> None:
        sampling = replace(LONG, stop_words=("o",))
        answers = model.batch(["Hello"] * 4, sampling=sampling)
        assert [str(answer) for answer in answers] == ["Hell"] * 4
        assert until(lambda: at_work(model) == 0)


class TestWrongCalls:
    @pytest.mark.parametrize(
        ("asked", "given", "says"),
        [
            ("", {}, "The question is empty"),
            ("  \n", {}, "The question is empty"),
            (None, {}, "What is asked is of type NoneType"),
            ({"query": "Hi"}, {}, "What is asked is of type dict"),
            ([{"role": "user", "content": "Hi"}], {}, r"messages\[0\] is a dict"),
            ([], {}, "does not end with a user turn"),
            ([vlmplug.user_message("a"), vlmplug.assistant_message("b")], {}, "does not end with a user turn"),
            ([vlmplug.Message("user", ("text",))], {}, r"messages\[0\].parts\[0\] is a str"),  # type: ignore[arg-type]
            ([vlmplug.Message("user", (vlmplug.TextPart(5),))], {}, r"parts\[0\] is a int"),  # type: ignore[arg-type]
            (vlmplug.Question(5), {}, "The question is a int"),  # type: ignore[arg-type]
            (vlmplug.Question("Hi"), {"images": SHAPES}, "stand beside a Question"),
            (vlmplug.Question("Hi"), {"images": np.zeros((8, 8, 3), np.uint8)}, "stand beside a Question"),
            ([vlmplug.user_message("Hi")], {"media_options": {"max_num": 1}}, "stand beside a list"),
        ],
        ids=str,
    )
    def test_say_what_is_wrong(self, model: Model, asked: Any, given: dict[str, Any], says: str) -> None:
        for call in (model.generate, lambda *a, **k: next(model.stream(*a, **k))):
            with pytest.raises(ConversationError, match=says) as caught:
                call(asked, **given)
            assert caught.value.remedy

    @pytest.mark.parametrize(
        ("images", "says"),
        [
            (5, r"images\[0\]: int is nothing"),
            ([SHAPES, None], r"images\[1\]: NoneType is nothing"),
            ("https://", r"images\[0\]: https: addresses without host"),
            (b"<html>", r"images\[0\]: not a picture"),
            (np.zeros((4, 4, 3), np.float32), r"images\[0\]: an array of float32"),
            (vlmplug.ImagePart("missing.png", name="the cat"), "the cat: 'missing.png'"),
            (vlmplug.VideoPart(CLIP), r"images\[0\]: VideoPart is nothing"),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_name_the_picture(self, model: Model, images: Any, says: str) -> None:
        with pytest.raises(MediaError, match=says):
            model.generate("Hi", images=images)

    def test_an_image_among_clips(self, model: Model) -> None:
        with pytest.raises(MediaError, match=r"videos\[1\]"):
            model.generate("Hi", videos=[CLIP, SHAPES.read_bytes()])

    def test_sampling_that_is_none(self, model: Model) -> None:
        with pytest.raises(OptionError, match="sampling is a dict"):
            model.generate("Hi", sampling={"temperature": 1})  # type: ignore[arg-type]
        with pytest.raises(OptionError, match="sampling is a dict"):
            model.chat(sampling={"temperature": 1})  # type: ignore[arg-type]


class TestLoading:
    @pytest.mark.parametrize(
        ("given", "error", "says"),
        [
            ({"model": 3}, OptionError, "model is of type int"),
            ({"folder": 3}, OptionError, "folder is of type int"),
            ({"engine": {"tp": 1}}, EngineOptionError, "engine is of type dict"),
            ({"engine": {}}, EngineOptionError, "engine is of type dict"),
            ({"options": {"hub": None}}, OptionError, "options is of type dict"),
        ],
    )
    def test_arguments_of_other_types(self, given: dict[str, Any], error: type[Exception], says: str) -> None:
        with pytest.raises(error, match=says):
            vlmplug.load(**given)

    @pytest.mark.parametrize(
        ("name", "value"), [("registry", "x.yaml"), ("media", "x"), ("hub", 3), ("host", None), ("host", {})]
    )
    def test_options_of_other_types(self, name: str, value: Any) -> None:
        with pytest.raises(OptionError, match=f"{name} is of type {type(value).__name__}"):
            vlmplug.LoadOptions(**{name: value})

    def test_by_folder(self, golden: Path) -> None:
        embedded = load_registry().model_type("internvl2-tiny").checkpoint
        assert embedded is not None
        own = [(embedded, None), (str(embedded), None), (None, embedded)]
        for model, folder in (*own, ("internvl2-2b", golden / "tiny")):
            with pytest.raises(EngineOptionError, match="session_length"):
                # Everything about the checkpoint is known by now; only the engine is spared.
                vlmplug.load(model, folder=folder, engine=replace(CPU, session_length=10**9))

    @pytest.mark.parametrize(
        "name", ["internvl2-2b", "opengvlab/InternVL2-2B", "https://huggingface.co/OpenGVLab/InternVL2-2B/tree/main"]
    )
    def test_by_any_name(self, golden: Path, name: str) -> None:
        with pytest.raises(EngineOptionError, match="internvl2-2b ends at"):
            vlmplug.load(name, folder=golden / "tiny", engine=replace(CPU, session_length=10**9))

    def test_the_default_of_the_registry(self) -> None:
        with pytest.raises(EngineOptionError, match="internvl2-tiny ends at"):
            vlmplug.load(engine=replace(CPU, session_length=10**9))

    def test_nothing_is_downloaded_where_that_is_not_wanted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
        with pytest.raises(vlmplug.VlmplugError, match="is not on this machine"):
            vlmplug.load("internvl2-2b", options=vlmplug.LoadOptions(hub=None))

    def test_unknown_names(self) -> None:
        with pytest.raises(UnknownModelTypeError) as caught:
            vlmplug.load("internvl2-2bb")
        assert "internvl2-2b" in caught.value.remedy

    def test_two_folders(self, golden: Path) -> None:
        embedded = load_registry().model_type("internvl2-tiny").checkpoint
        assert embedded is not None
        with pytest.raises(OptionError, match="folder names another"):
            vlmplug.load(embedded, folder=golden / "tiny")

    def test_a_folder_of_no_model_type(self, golden: Path) -> None:
        with pytest.raises(AmbiguousModelError, match="none of its model types fits"):
            vlmplug.load(golden / "tiny")

    def test_properties(self, model: Model) -> None:
        assert model.model_type == "internvl2-tiny"


class TestThreads:
    def test_several_ask_at_once(self, model: Model) -> None:
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda _: model.generate(HOW_MANY, images=SHAPES).text, range(12)))
        assert found == [FOUR] * 12

    def test_a_stream_may_change_hands(self, model: Model) -> None:
        stream = model.stream("Describe the image.", images=SHAPES)
        said = [next(stream).text]
        thread = threading.Thread(target=lambda: said.extend(delta.text for delta in stream))
        thread.start()
        thread.join(30)
        assert "".join(said) == model.generate("Describe the image.", images=SHAPES).text


class TestClosing:
    def test_leaving_the_block_frees_the_memory(self) -> None:
        with vlmplug.load("internvl2-tiny", engine=CPU) as loaded:
            stream = loaded.stream("Hello", sampling=LONG)
            next(stream)
            engine = loaded.pipeline._engine._engine
            assert engine is not None
            agent = engine.executor.model_agent
            network = agent.patched_model.get_model()
            held = [weakref.ref(part) for part in (network, next(network.parameters()), agent.cache_engine)]
            del engine, agent, network
        assert until(lambda: gc.collect() >= 0 and [part() for part in held] == [None] * 3)
        with pytest.raises(EngineStoppedError, match="closed"):
            list(stream)
        for call in (loaded.generate, lambda text: next(loaded.stream(text)), loaded.chat().generate):
            with pytest.raises(EngineStoppedError, match=r"The model was closed\. Load it again\."):
                call("Hello")
        (failed,) = loaded.batch(["Hello"])
        assert isinstance(failed, vlmplug.FailedRequest)
        assert isinstance(failed.error, EngineError)
        loaded.close()
