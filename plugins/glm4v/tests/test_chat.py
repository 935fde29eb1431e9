"""Prompts beyond those of the reference set: placements, answers by their ids, tools."""

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
    assistant_message,
    observation_message,
    system_message,
    user_message,
)
from vlmplug.errors import ConversationError
from vlmplug.model import FamilyModel
from vlmplug.pipeline import Preparer, Request, open_preparer
from vlmplug_glm4v.tools import tools_text

PICTURE = Image.new("RGB", (4, 4))
TAG = "<image>"


@pytest.fixture(scope="module")
def preparer(model: FamilyModel) -> Preparer:
    return open_preparer("glm4v-9b-chat", model.folder)


def text(preparer: Preparer, *messages: Message, options: PromptOptions | None = None) -> str:
    request = Request(Conversation(messages), options or PromptOptions())
    return preparer.prepare(request).prompt.text("{}")


@pytest.mark.parametrize(
    ("placement", "parts", "content"),
    [
        ("inline", ("Look: ", PICTURE, " Well?"), "Look: {} Well?"),
        ("family", ("Look: ", PICTURE, " Well?"), "{}Look:  Well?"),
        ("beside", (PICTURE, "Look: <image> Well?"), "Look: {} Well?"),
        ("beside", (PICTURE, "Well?"), "{}Well?"),
        ("beside", (PICTURE, PICTURE, "<image><image>, well?"), "{}{}, well?"),
        ("family", (PICTURE, "What does <image> mean?"), "{}What does <image> mean?"),
        ("beside", ("What does <image> mean?",), "What does <image> mean?"),
    ],
)
def test_placements(preparer: Preparer, placement: Any, parts: tuple[Any, ...], content: str) -> None:
    made = tuple(TextPart(part) if isinstance(part, str) else ImagePart(part) for part in parts)
    found = text(preparer, Message("user", made), options=PromptOptions(placement))
    assert found == f"[gMASK]<sop><|user|>\n{content}<|assistant|>"


def test_an_answer_by_its_ids_brings_its_own_line(preparer: Preparer) -> None:
    ids = tuple(preparer.model.tokenizer.encode_text("\nA small red fox."))
    messages = (user_message("Hi"), assistant_message("A small red fox.", ids), user_message("Well?"))
    by_ids = preparer.prepare(Request(Conversation(messages)))
    by_text = preparer.prepare(Request(Conversation((messages[0], assistant_message("A small red fox."), messages[2]))))
    assert by_ids.engine_input.input_ids == by_text.engine_input.input_ids
    assert by_ids.prompt.text() == by_text.prompt.text()


@pytest.mark.parametrize("empty", [assistant_message(""), assistant_message("", ())])
def test_an_empty_answer_is_left_out(preparer: Preparer, empty: Message) -> None:
    found = text(preparer, user_message("Hi"), empty, user_message("Well?"))
    assert found == "[gMASK]<sop><|user|>\nHi<|user|>\nWell?<|assistant|>"


def test_role_line_and_text_are_encoded_apart(preparer: Preparer) -> None:
    tokenizer = preparer.model.tokenizer
    prompt = preparer.prepare(Request(Conversation((user_message("\n\nHi"),)))).engine_input
    line, content = tokenizer.encode_text("\n"), tokenizer.encode_text("\n\nHi")
    assert list(prompt.input_ids[3:-1]) == [*line, *content]


def test_tools_are_called_and_answer(preparer: Preparer) -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {"a": "number"}}}
    found = text(
        preparer,
        system_message("", tools=[tool]),
        user_message("1+2?"),
        assistant_message('{"a": 1}', metadata="add"),
        observation_message("3"),
    )
    head, _, rest = found.partition("<|user|>")
    assert head == f"[gMASK]<sop><|system|>\n{tools_text([tool])}"
    assert rest == '\n1+2?<|assistant|>add\n{"a": 1}<|observation|>\n3<|assistant|>'


def test_a_function_is_written_as_json_and_a_known_tool_by_its_name() -> None:
    found = tools_text([{"type": "function", "function": {"name": "加", "n": 1}}, {"type": "python"}])
    assert '\n\n## 加\n\n{\n    "name": "加",\n    "n": 1\n}\n在调用上述函数时' in found
    assert found.endswith("这些在线内容的访问将不会成功。") and "\n\n## python\n\n当你向 `python` 发送" in found


@pytest.mark.parametrize("kind", ["python", "simple_browser", "cogview"])
def test_known_tools_have_a_paragraph(kind: str) -> None:
    assert f"\n\n## {kind}\n\n" in tools_text([{"type": kind}])


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "web_search"},
        {"type": "function"},
        {"type": "function", "function": {"description": "nameless"}},
        {"type": "function", "function": {"name": "f", "default": {1}}},
    ],
)
def test_tools_that_cannot_be_described(preparer: Preparer, tool: dict[str, Any]) -> None:
    with pytest.raises(ConversationError, match=r"tools\[0\]"):
        text(preparer, system_message("", tools=[tool]), user_message("Hi"))
