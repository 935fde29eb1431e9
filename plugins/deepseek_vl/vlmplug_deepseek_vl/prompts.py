"""Prompt formats of the family, as the official ``conversation.py`` (deepseek-ai/DeepSeek-VL) has them.

A format's name is the ``sft_format`` of ``processor_config.json``. ``deepseek`` is that of the chat models; ``plain``
joins the contents of all turns with nothing in between, for models that only continue a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from vlmplug.conversation import Message, Role
from vlmplug.errors import ConversationError
from vlmplug.prompt import GeneratedIds, Segment, Special, Text

SYSTEM = (
    "You are a helpful language and vision assistant. You are able to understand the visual content that the user "
    "provides, and assist the user with a variety of tasks using natural language."
)

Content: TypeAlias = "tuple[Segment, ...]"


@dataclass(frozen=True)
class Dialogue:
    """A conversation whose media are placed.

    - ``system``: None where the caller says nothing. ``turns``: role and content, without white space at its ends.
    - ``end``: the token that ends an answer.
    """

    system: Text | None
    turns: tuple[tuple[Role, Content], ...]
    end: str


Format: TypeAlias = "Callable[[Dialogue], Iterator[Segment]]"


def deepseek(dialogue: Dialogue) -> Iterator[Segment]:
    """``User: …`` and ``Assistant: …``; a turn without content has neither space nor separator behind its role."""
    system = Text(SYSTEM) if dialogue.system is None else dialogue.system
    if text := system.text.lstrip():
        yield from (replace(system, text=text), Text("\n\n"))
    for role, content in dialogue.turns:
        name = "User:" if role == "user" else "Assistant:"
        if not content:
            yield Text(name)
            continue
        # Generated ids begin with the space that an answer in letters lacks.
        yield Text(name if isinstance(content[0], GeneratedIds) else f"{name} ")
        yield from content
        yield Text("\n\n") if role == "user" else Special(dialogue.end)
    yield Text("Assistant:")


def plain(dialogue: Dialogue) -> Iterator[Segment]:
    """The contents alone.

    :raises ConversationError: there is a system text, for which the format has no place.
    """
    if dialogue.system is not None and dialogue.system.text:
        raise ConversationError("This checkpoint has no system prompt.", "Leave the system message out.")
    for _, content in dialogue.turns:
        yield from content


#: By the names that checkpoints and manifests give them.
FORMATS: Mapping[str, Format] = {"deepseek": deepseek, "plain": plain}
#: What a model writes in front of its answers: chat models the space behind ``Assistant:``.
ANSWER_LEADS: Mapping[str, str] = {"deepseek": " ", "plain": ""}


def answer(turn: Message, parse_special_tokens: bool) -> Content:
    """An earlier answer: the ids that were generated where they are known, else its text; empty if it is."""
    if turn.token_ids:
        return (GeneratedIds(turn.token_ids, turn.text),)
    return stripped([Text(turn.text, parse_special_tokens)])


def stripped(segments: Sequence[Segment]) -> Content:
    """Segments without white space at the ends; none if nothing else is left."""
    front = _without_lead(segments, str.lstrip)
    return tuple(reversed(_without_lead(front[::-1], str.rstrip)))


def _without_lead(segments: Sequence[Segment], strip: Callable[[str], str]) -> list[Segment]:
    """Segments of which the texts in front of anything visible are stripped."""
    for number, segment in enumerate(segments):
        if not isinstance(segment, Text):
            return list(segments[number:])
        if text := strip(segment.text):
            return [replace(segment, text=text), *segments[number + 1 :]]
    return []
