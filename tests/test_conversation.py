"""Which turns a conversation may have, and what they may hold."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from vlmplug.conversation import (
    Conversation,
    ImagePart,
    Message,
    PromptOptions,
    TextPart,
    VideoPart,
    assistant_message,
    observation_message,
    system_message,
    user_message,
)
from vlmplug.errors import ConversationError, OptionError

TOOL = {"type": "function", "function": {"name": "add"}}
ASK, ANSWER, CALL = user_message("1+2?"), assistant_message("3"), assistant_message("{}", metadata="add")
RETURNED, SYSTEM = observation_message("3"), system_message("Be brief.")

HELD = {
    "a question": (ASK,),
    "a system turn": (SYSTEM, ASK),
    "two rounds": (ASK, ANSWER, ASK),
    "a tool that was called": (ASK, CALL, RETURNED),
    "an answer behind it": (ASK, CALL, RETURNED, ANSWER, ASK),
    "two calls": (SYSTEM, ASK, CALL, RETURNED, CALL, RETURNED),
}


@pytest.mark.parametrize("messages", HELD.values(), ids=HELD)
def test_what_is_a_conversation(messages: tuple[Message, ...]) -> None:
    assert Conversation(messages).messages == messages


PICTURE = ImagePart(Image.new("RGB", (2, 2)))
REFUSED = {
    "nothing": ((), "does not end with a user turn"),
    "an answer last": ((ASK, ANSWER), "does not end with a user turn"),
    "an answer first": ((ANSWER,), r"messages\[0\] has the role 'assistant' where 'user' was expected"),
    "a result first": ((RETURNED,), r"messages\[0\] has the role 'observation' where 'user' was expected"),
    "a result behind a question": ((ASK, RETURNED, ASK), r"messages\[1\] has the role 'observation' where 'assistant'"),
    "a question behind a question": ((ASK, ASK, ASK), r"messages\[1\] has the role 'user' where 'assistant'"),
    "a system turn in between": ((ASK, SYSTEM, ASK), r"messages\[1\] has the role 'system'"),
    "an unknown role": ((Message("tool", ()),), "has the role 'tool'"),  # type: ignore[arg-type]
    "a picture in an answer": ((ASK, Message("assistant", (PICTURE,)), ASK), r"messages\[1\] \(assistant\) holds a"),
    "metadata of a question": ((Message("user", (), metadata="add"),), r"\(user\) has the metadata 'add'"),
    "metadata of a system turn": ((Message("system", (), metadata="x"), ASK), r"\(system\) has the metadata"),
    "metadata that is no text": ((ASK, Message("assistant", (), metadata=1), ASK), "the metadata 1"),  # type: ignore[arg-type]
    "tools of a question": ((Message("user", (), tools=(TOOL,)),), r"messages\[0\] \(user\) has tools"),
    "tools that are a list": ((Message("system", (), tools=[TOOL]), ASK), "has tools"),  # type: ignore[arg-type]
    "tools that are names": ((system_message("", tools=["add"]), ASK), "has tools"),  # type: ignore[list-item]
}


@pytest.mark.parametrize(("messages", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_none(messages: Any, says: str) -> None:
    with pytest.raises(ConversationError, match=says):
        Conversation(messages)


@pytest.mark.parametrize(
    ("messages", "uses"),
    [
        ((SYSTEM, ASK, ANSWER, ASK), False),
        ((system_message("", tools=[TOOL]), ASK), True),
        ((ASK, CALL, ASK), True),
        ((ASK, ANSWER, RETURNED), True),
    ],
)
def test_whether_tools_are_used(messages: tuple[Message, ...], uses: bool) -> None:
    assert Conversation(messages).uses_tools is uses


def test_parts_of_a_user_message_keep_their_options() -> None:
    picture, clip = ImagePart("cat.png", {"max_num": 2}), VideoPart("cat.mp4", {"max_frames": 4})
    message = user_message("x", (picture, "dog.png"), (clip, "dog.mp4"))
    assert message.parts == (picture, ImagePart("dog.png"), clip, VideoPart("dog.mp4"), TextPart("x"))


@pytest.mark.parametrize("given", [3, "picture.png", None, b"bytes"])
def test_pictures_of_a_user_message_are_listed(given: Any) -> None:
    kind = type(given).__name__
    with pytest.raises(ConversationError, match=rf"images is of type {kind}\. Give a tuple: images=\(…,\)"):
        user_message("x", given)
    with pytest.raises(ConversationError, match=f"videos is of type {kind}"):
        user_message("x", videos=given)


@pytest.mark.parametrize(
    "given", [{"placement": "foo"}, {"placement": None}, {"parse_special_tokens": "no"}, {"parse_special_tokens": 1}]
)
def test_prompt_options_that_do_not_exist(given: dict[str, Any]) -> None:
    ((name, value),) = given.items()
    with pytest.raises(OptionError, match=f"{name} is {value!r}"):
        PromptOptions(**given)


def test_parts_of_a_conversation() -> None:
    asked = Message("user", (PICTURE, TextPart("1"), TextPart("+2?")))
    conversation = Conversation((system_message("Be brief.", tools=[TOOL]), asked, CALL, RETURNED))
    assert (conversation.system, conversation.tools) == ("Be brief.", (TOOL,))
    assert conversation.turns == (asked, CALL, RETURNED)
    assert conversation.media == (PICTURE,) and asked.text == "1+2?"
    assert conversation.opened().messages[2:] == (CALL, RETURNED), "opening keeps what it does not read"
    assert conversation.answered("3", (5,))[-1] == assistant_message("3", (5,))
