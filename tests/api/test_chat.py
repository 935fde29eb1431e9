"""A chat remembers what was said, shown and generated."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace

import pytest

import vlmplug
from tests.api.conftest import LONG, SHAPES, at_work, until
from tests.loopback import Loopback, ok
from vlmplug.errors import ConversationError, MediaError
from vlmplug.media import Picture

HOW_MANY = "How many shapes are there?"
FOUR = "There are four shapes."
DESCRIBE = "Describe the image."
Model = vlmplug.LoadedModel


def test_the_second_turn_sees_the_first(model: Model) -> None:
    chat = model.chat()
    assert chat.generate(HOW_MANY, images=SHAPES).text == FOUR
    second = chat.generate(DESCRIBE)
    assert second.text == model.generate(DESCRIBE, images=SHAPES).text
    assert second.media_tokens == 80
    assert [message.role for message in chat.messages] == ["user", "assistant"] * 2


def test_the_ids_that_were_generated_are_what_the_next_turn_continues(model: Model) -> None:
    chat = model.chat()
    first = chat.generate(HOW_MANY, images=SHAPES)
    assert chat.messages[1].token_ids == first.token_ids
    begun = model.pipeline.prepare(vlmplug.Request(vlmplug.Conversation(chat.messages[:1]))).engine_input.input_ids
    asked = vlmplug.Conversation((*chat.messages, vlmplug.user_message(DESCRIBE)))
    continued = model.pipeline.prepare(vlmplug.Request(asked)).engine_input.input_ids
    assert continued[: len(begun) + first.generated_tokens] == (*begun, *first.token_ids)
    assert chat.generate(DESCRIBE).cached_tokens >= 80


def test_ids_whose_text_a_stop_word_cut_are_not_kept(model: Model) -> None:
    chat = model.chat()
    answer = chat.generate(HOW_MANY, images=SHAPES, sampling=vlmplug.Sampling(stop_words=("four",)))
    assert (chat.messages[1].text, answer.text) == ("There are ", "There are ")
    assert chat.messages[1].token_ids is None


def test_media_are_read_once(model: Model) -> None:
    with Loopback({"/x": ok(SHAPES.read_bytes())}) as server:
        chat = model.chat()
        chat.generate(HOW_MANY, images=server.url("/x"))
        chat.generate(DESCRIBE)
        assert server.paths == ["/x"]
    (part,) = chat.messages[0].media
    assert isinstance(part.source, Picture)


def test_a_file_object_can_be_used_up(model: Model) -> None:
    chat = model.chat()
    with io.BytesIO(SHAPES.read_bytes()) as file:
        chat.generate(HOW_MANY, images=file)
    assert chat.generate(DESCRIBE).media_tokens == 80


def test_pictures_of_a_later_turn_are_added(model: Model) -> None:
    chat = model.chat(media_options={"max_num": 1})
    assert chat.generate(HOW_MANY, images=SHAPES).media_tokens == 16
    assert chat.generate("And here: <image>", images=[SHAPES]).media_tokens == 32


def test_streams(model: Model) -> None:
    chat = model.chat()
    for question, images in ((HOW_MANY, (SHAPES,)), (DESCRIBE, ())):
        *_, last = chat.stream(question, images=images)
        assert last.answer is not None
        assert chat.messages[-1].text == last.answer.text
    assert len(chat.messages) == 4


def test_in_an_event_loop(model: Model) -> None:
    async def talk() -> list[str]:
        chat = model.chat()
        first = await chat.agenerate(HOW_MANY, images=SHAPES)
        second = [delta.text async for delta in chat.astream(DESCRIBE)]
        assert len(chat.messages) == 4
        return [first.text, "".join(second)]

    assert asyncio.run(talk()) == [FOUR, model.generate(DESCRIBE, images=SHAPES).text]


def test_a_turn_that_fails_or_is_left_changes_nothing(model: Model) -> None:
    chat = model.chat()
    chat.generate(HOW_MANY, images=SHAPES)
    before = chat.messages
    with pytest.raises(MediaError):
        chat.generate("And this?", images="missing.png")
    with pytest.raises(ConversationError, match="empty"):
        chat.generate("")
    for _ in chat.stream("Go on.", sampling=LONG):
        break
    assert until(lambda: at_work(model) == 0)
    assert chat.messages == before
    assert chat.generate(DESCRIBE).media_tokens == 80


def test_one_answer_at_a_time(model: Model) -> None:
    chat = model.chat()
    stream = chat.stream("Hello", sampling=LONG)
    next(stream)
    with pytest.raises(ConversationError, match="answering already"):
        chat.generate("Hello")
    stream.close()
    assert chat.generate("Hello").text == model.generate("Hello").text


def test_system_sampling_and_history(model: Model) -> None:
    system = "You are terse."
    history = (vlmplug.user_message(HOW_MANY, (SHAPES,)), vlmplug.assistant_message(FOUR))
    chat = model.chat(system, messages=history, sampling=vlmplug.Sampling(max_new_tokens=3))
    answer = chat.generate(DESCRIBE)
    asked = vlmplug.Conversation((vlmplug.system_message(system), *history, vlmplug.user_message(DESCRIBE)))
    beside = vlmplug.PromptOptions("beside")
    same = model.generate(vlmplug.Request(asked, beside, vlmplug.Sampling(max_new_tokens=3)))
    assert (answer.token_ids, answer.prompt_tokens) == (same.token_ids, same.prompt_tokens)
    assert answer.generated_tokens == 3
    assert chat.messages[0].text == system
    chat.clear()
    assert [message.role for message in chat.messages] == ["system"]
    assert chat.generate("Hello", sampling=replace(model.sampling, max_new_tokens=1)).generated_tokens == 1


def test_a_history_that_does_not_end_with_an_answer(model: Model) -> None:
    with pytest.raises(ConversationError, match="'user' where 'assistant' was expected"):
        model.chat(messages=[vlmplug.user_message("Hi")]).generate("Hello")
