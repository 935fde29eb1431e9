"""Chat formats."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from vlmplug.conversation import Conversation, assistant_message, system_message, user_message
from vlmplug.parts.chat import ChatFormat, Envelope
from vlmplug.prompt import GeneratedIds, RenderedPrompt, Segment, Special, Text

FORMAT = ChatFormat(
    system=Envelope((Special("<sys>"),), (Special("<end>"),)),
    user=Envelope((Special("<usr>"), Text("\n")), (Special("<end>"),)),
    assistant=Envelope((Special("<ans>"), Text("\n")), (Special("<end>"), Text("\n"))),
    default_system="default",
)
QUESTION = user_message("?")


def rendered(chat: ChatFormat, conversation: Conversation, parsed: bool = False) -> tuple[Segment, ...]:
    """The prompt of a conversation whose user turns are their texts."""
    turns: list[Sequence[Segment]] = [[Text(turn.text)] for turn in conversation.turns if turn.role == "user"]
    return chat.render(conversation, turns, parsed)


@pytest.mark.parametrize(
    ("conversation", "expected"),
    [
        ((QUESTION,), "<sys>default<end><usr>\n?<end><ans>\n"),
        ((system_message("s"), QUESTION), "<sys>s<end><usr>\n?<end><ans>\n"),
        ((system_message(""), QUESTION), "<sys><end><usr>\n?<end><ans>\n"),
        (
            (QUESTION, assistant_message("!"), QUESTION),
            "<sys>default<end><usr>\n?<end><ans>\n!<end>\n<usr>\n?<end><ans>\n",
        ),
    ],
    ids=["default system", "system", "empty system", "second turn"],
)
def test_prompts(conversation: tuple[object, ...], expected: str) -> None:
    segments = rendered(FORMAT, Conversation(conversation))  # type: ignore[arg-type]
    assert RenderedPrompt(segments).text() == expected


def test_no_default_system_means_no_system_block() -> None:
    chat = ChatFormat(FORMAT.system, FORMAT.user, FORMAT.assistant)
    assert RenderedPrompt(rendered(chat, Conversation((QUESTION,)))).text() == "<usr>\n?<end><ans>\n"


def test_generated_ids_stay_as_they_were_generated() -> None:
    conversation = Conversation((QUESTION, assistant_message("yes", (5, 6)), QUESTION))
    assert GeneratedIds((5, 6), "yes") in rendered(FORMAT, conversation)


@pytest.mark.parametrize("parsed", [False, True])
def test_system_texts_and_answers_are_parsed_where_asked(parsed: bool) -> None:
    conversation = Conversation((system_message("s"), QUESTION, assistant_message("a"), QUESTION))
    segments = rendered(FORMAT, conversation, parsed)
    assert Text("s", parsed) in segments and Text("a", parsed) in segments
