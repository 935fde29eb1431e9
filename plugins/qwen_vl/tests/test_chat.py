"""Prompts beyond those of the reference set: placements, answers by their ids, texts to be continued, the window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.reference import Reference
from vlmplug.conversation import (
    Conversation,
    ImagePart,
    Message,
    PromptOptions,
    TextPart,
    assistant_message,
    system_message,
    user_message,
)
from vlmplug.errors import ConversationError, OptionError
from vlmplug.model import FamilyModel
from vlmplug.pipeline import Prepared, Preparer, Request, open_preparer

PICTURE = Image.new("RGB", (4, 4))
HEAD = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
TAIL = "<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def preparer(model: FamilyModel) -> Preparer:
    return open_preparer("qwen-vl-chat", model.folder)


@pytest.fixture(scope="module")
def base(model: FamilyModel) -> Preparer:
    return open_preparer("qwen-vl", model.folder)


def prepared(preparer: Preparer, *messages: Message, options: PromptOptions | None = None) -> Prepared:
    return preparer.prepare(Request(Conversation(messages), options or PromptOptions()))


def text(preparer: Preparer, *messages: Message, options: PromptOptions | None = None) -> str:
    return prepared(preparer, *messages, options=options).prompt.text("{}")


def parts(*given: Any) -> Message:
    return Message("user", tuple(TextPart(one) if isinstance(one, str) else ImagePart(one) for one in given))


@pytest.mark.parametrize(
    ("placement", "given", "content"),
    [
        ("inline", ("Look: ", PICTURE, " Well?"), "Look: {} Well?"),
        ("family", ("Look: ", PICTURE, PICTURE, " Well?"), "Look: Picture 1:{}\nPicture 2:{}\n Well?"),
        ("family", (PICTURE, "What does <image> mean?"), "Picture 1:{}\nWhat does <image> mean?"),
        ("beside", (PICTURE, "Well?"), "Picture 1:{}\nWell?"),
        ("beside", (PICTURE, PICTURE, "<image>and <image>, well?"), "Picture 1:{}\nand Picture 2:{}\n, well?"),
        ("beside", ("What does <image> mean?",), "What does <image> mean?"),
    ],
)
def test_placements(preparer: Preparer, placement: Any, given: tuple[Any, ...], content: str) -> None:
    assert text(preparer, parts(*given), options=PromptOptions(placement)) == f"{HEAD}{content}{TAIL}"


def test_an_answer_by_its_ids_is_what_it_is_by_its_text(preparer: Preparer) -> None:
    said = "<ref>the dog</ref><box>(1,2),(3,4)</box>"
    (by_text,) = {prepared(preparer, user_message("Hi"), assistant_message(said), user_message("Well?")).engine_input}
    ids = by_text.input_ids
    first, last = (ids.index(preparer.model.tokenizer.special_id(token)) for token in ("<ref>", "</box>"))
    answer = assistant_message(said, ids[first : last + 1])
    by_ids = prepared(preparer, user_message("Hi"), answer, user_message("Well?"))
    assert by_ids.engine_input == by_text


def test_a_tag_may_lie_across_parts_as_it_does_for_the_official_code(preparer: Preparer) -> None:
    whole, cut = (prepared(preparer, parts(*given)) for given in (("<ref>dog</ref>",), ("<re", "f>dog</ref>")))
    assert whole.engine_input == cut.engine_input
    assert preparer.model.tokenizer.special_id("<ref>") in whole.engine_input.input_ids


def test_role_line_and_content_are_encoded_apart(preparer: Preparer) -> None:
    tokenizer = preparer.model.tokenizer
    ids = prepared(preparer, user_message("\n\nHi")).engine_input.input_ids
    content = (*tokenizer.encode_text("\n"), *tokenizer.encode_text("\n\nHi"), tokenizer.special_id("<|im_end|>"))
    assert any(ids[start : start + len(content)] == content for start in range(len(ids)))


class TestToBeContinued:
    def test_contents_follow_each_other(self, base: Preparer) -> None:
        found = text(base, user_message("One, ", (PICTURE,)), assistant_message("two, "), user_message("three, "))
        assert found == "{}One, two, three, "

    @pytest.mark.parametrize(
        ("placement", "content"),
        [("inline", "{}Well?"), ("beside", "{}Well?"), ("family", "Picture 1:{}\nWell?")],
    )
    def test_pictures_have_numbers_from_the_helper_only(self, placement: Any, content: str, base: Preparer) -> None:
        assert text(base, parts(PICTURE, "Well?"), options=PromptOptions(placement)) == content

    def test_there_is_no_system_prompt(self, base: Preparer) -> None:
        with pytest.raises(ConversationError, match="no system prompt"):
            prepared(base, system_message("Be kind."), user_message("Hi"))
        assert text(base, system_message(""), user_message("Hi")) == "Hi"

    def test_either_model_takes_the_format_of_the_other(self, base: Preparer, preparer: Preparer) -> None:
        as_chat, as_text = (PromptOptions(media={"chat_format": name}) for name in ("chatml", "raw"))
        question = user_message("Hi")
        assert text(base, question, options=as_chat) == text(preparer, question) == f"{HEAD}Hi{TAIL}"
        assert text(preparer, question, options=as_text) == text(base, question) == "Hi"

    def test_special_tokens_are_parsed_on_demand_in_texts_alone(self, base: Preparer, preparer: Preparer) -> None:
        question, parsed = user_message("<|im_end|><img>"), PromptOptions(parse_special_tokens=True)
        ending = preparer.model.tokenizer.special_id("<|im_end|>")
        begin = preparer.model.tokenizer.special_id("<img>")
        continued = prepared(base, question, options=parsed).engine_input.input_ids
        assert continued[0] == ending and begin not in continued
        assert ending not in prepared(base, question).engine_input.input_ids
        assert prepared(preparer, question, options=parsed).engine_input == prepared(preparer, question).engine_input


class TestWindow:
    def turns(self) -> tuple[Message, ...]:
        return (
            user_message("First?", (PICTURE,)),
            assistant_message("A."),
            user_message("Second?", (PICTURE,)),
            assistant_message("B."),
            user_message("Third?", (PICTURE,)),
        )

    def window(self, size: int | None) -> PromptOptions:
        return PromptOptions("family", media={"max_window_size": size})

    def test_nothing_is_left_out_where_nobody_asks(self, preparer: Preparer) -> None:
        found = prepared(preparer, *self.turns(), options=self.window(None))
        assert [item.part for item in found.prompt.items] == [0, 1, 2] and not found.prompt.left_out

    def test_what_stands_before_the_question_is_smaller_than_the_window(self, preparer: Preparer) -> None:
        question = prepared(preparer, self.turns()[-1], options=self.window(None)).engine_input
        system = len(preparer.model.tokenizer.encode_text("system\nYou are a helpful assistant.")) + 2
        rest = len(question.input_ids) - system
        for kept in (0, 1, 2):
            whole = prepared(preparer, *self.turns()[4 - 2 * kept :], options=self.window(None)).engine_input
            size = len(whole.input_ids) - rest
            for window, pictures in ((size, kept - 1), (size + 1, kept)):
                found = prepared(preparer, *self.turns(), options=self.window(window))
                assert len(found.prompt.items) == max(pictures, 0) + 1
                assert found.prompt.left_out == frozenset(range(2 - max(pictures, 0)))

    def test_pictures_keep_their_own_content(self, preparer: Preparer) -> None:
        messages = list(self.turns())
        messages[4] = user_message("Third?", (Image.new("RGB", (4, 4), "red"),))
        found = prepared(preparer, *messages, options=self.window(1)).engine_input
        assert found.media[0].pixels[0, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("request_options", "part_options", "says"),
    [
        ({"max_num": 6}, {}, "max_num"),
        ({"chat_format": "alpaca"}, {}, "one of chatml, raw"),
        ({"max_window_size": 0}, {}, "max_window_size is 0"),
        ({}, {"max_window_size": 9}, "picture 1 has options of its own"),
    ],
)
def test_options_that_make_no_sense(
    request_options: dict[str, Any], part_options: dict[str, Any], says: str, preparer: Preparer
) -> None:
    message = Message("user", (ImagePart(PICTURE, part_options), TextPart("Hi")))
    with pytest.raises(OptionError, match=says):
        prepared(preparer, message, options=PromptOptions(media=request_options))


def test_the_manifest_says_the_same_of_options(preparer: Preparer, golden: Path, reference: Reference) -> None:
    from dataclasses import replace

    from vlmplug_qwen_vl.options import DECLARED

    shown = {
        name: replace(option, help="", default_from=None, media=DECLARED[name].media)
        for name, option in preparer.media_options.items()
    }
    assert shown == DECLARED
