"""Prompt templates of the family, as the official ``conversation.py`` (OpenGVLab/InternVL) has them.

A template's name is the ``template`` of ``config.json``. InternVL 1.5 uses two of those names with other system texts;
here they end in ``-v1_5``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vlmplug.errors import CheckpointMismatchError
from vlmplug.nearest import did_you_mean
from vlmplug.parts.chat import ChatFormat, Envelope
from vlmplug.prompt import Special, Text

#: How frames are numbered: ``Frame1: `` or ``Frame-1: ``.
FrameLabel = Literal["plain", "hyphen"]

SYSTEM_1_5_INTERNLM = "You are an AI assistant whose name is InternLM (书生·浦语)."
SYSTEM_1_5_PHI = "You are an AI assistant whose name is Phi-3."
SYSTEM_2 = (
    "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"
)
SYSTEM_2_5 = (
    "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
)


@dataclass(frozen=True)
class Template:
    """A chat format, the token that ends its answers, and how clips are written.

    - ``separator``: the token that ends every turn, and with it an answer.
    """

    chat: ChatFormat
    separator: str
    frame_label: FrameLabel = "plain"


def _chatml(system: str, after_separator: tuple[Text, ...] = (), frame_label: FrameLabel = "plain") -> Template:
    """``<|im_start|>role`` on a line, the text, ``<|im_end|>``; no line break behind it before InternVL 2.5."""

    def envelope(role: str) -> Envelope:
        return Envelope((Special("<|im_start|>"), Text(f"{role}\n")), (Special("<|im_end|>"), *after_separator))

    chat = ChatFormat(envelope("system"), envelope("user"), envelope("assistant"), system)
    return Template(chat, "<|im_end|>", frame_label)


def _phi3(system: str) -> Template:
    """``<|role|>`` on a line, the text, ``<|end|>``."""

    def envelope(role: str) -> Envelope:
        return Envelope((Special(f"<|{role}|>"), Text("\n")), (Special("<|end|>"),))

    return Template(ChatFormat(envelope("system"), envelope("user"), envelope("assistant"), system), "<|end|>")


TEMPLATES: Mapping[str, Template] = {
    "internlm2-chat": _chatml(SYSTEM_2),
    "Hermes-2": _chatml(SYSTEM_2),
    "phi3-chat": _phi3(SYSTEM_2),
    "internvl2_5": _chatml(SYSTEM_2_5, (Text("\n"),), "hyphen"),
    "internlm2-chat-v1_5": _chatml(SYSTEM_1_5_INTERNLM),
    "phi3-chat-v1_5": _phi3(SYSTEM_1_5_PHI),
}


def template_of(config: Mapping[str, Any], of_model_type: str) -> Template:
    """The template that a checkpoint names, in the generation of its model type.

    :param config: official ``config.json``.
    :param of_model_type: the model type's template; it alone tells InternVL 1.5 from 2.
    :raises CheckpointMismatchError: the checkpoint names a template that this family does not have.
    """
    name = config.get("template") or of_model_type
    if of_model_type.endswith("-v1_5") and f"{name}-v1_5" in TEMPLATES:
        name = f"{name}-v1_5"
    if name not in TEMPLATES:
        raise CheckpointMismatchError(
            f"The checkpoint's prompt template is {name!r}, which is not supported.",
            did_you_mean(name, TEMPLATES),
        )
    return TEMPLATES[name]
