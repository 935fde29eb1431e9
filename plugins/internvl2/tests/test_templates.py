"""Prompt templates, word for word."""

from __future__ import annotations

import pytest

from vlmplug.conversation import Conversation, assistant_message, system_message, user_message
from vlmplug.errors import CheckpointMismatchError
from vlmplug.prompt import RenderedPrompt, Text
from vlmplug_internvl2.templates import TEMPLATES, template_of

TWO_TURNS = Conversation((system_message("S"), user_message("q"), assistant_message("a"), user_message("r")))
CHATML = (
    "<|im_start|>system\nS<|im_end|><|im_start|>user\nq<|im_end|><|im_start|>assistant\na<|im_end|>"
    "<|im_start|>user\nr<|im_end|><|im_start|>assistant\n"
)
PHI3 = "<|system|>\nS<|end|><|user|>\nq<|end|><|assistant|>\na<|end|><|user|>\nr<|end|><|assistant|>\n"


@pytest.mark.parametrize(
    ("name", "expected", "separator"),
    [
        ("internlm2-chat", CHATML, "<|im_end|>"),
        ("Hermes-2", CHATML, "<|im_end|>"),
        ("internlm2-chat-v1_5", CHATML, "<|im_end|>"),
        ("internvl2_5", CHATML.replace("<|im_end|>", "<|im_end|>\n"), "<|im_end|>"),
        ("phi3-chat", PHI3, "<|end|>"),
        ("phi3-chat-v1_5", PHI3, "<|end|>"),
    ],
)
def test_prompts(name: str, expected: str, separator: str) -> None:
    template = TEMPLATES[name]
    segments = template.chat.render(TWO_TURNS, [[Text("q")], [Text("r")]], False)
    assert RenderedPrompt(segments).text() == expected
    assert template.separator == separator


SYSTEM_2 = (
    "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"
)


@pytest.mark.parametrize(
    ("name", "system"),
    [
        ("internlm2-chat", SYSTEM_2),
        ("Hermes-2", SYSTEM_2),
        ("phi3-chat", SYSTEM_2),
        (
            "internvl2_5",
            "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。",
        ),
        ("internlm2-chat-v1_5", "You are an AI assistant whose name is InternLM (书生·浦语)."),
        ("phi3-chat-v1_5", "You are an AI assistant whose name is Phi-3."),
    ],
)
def test_default_system_texts(name: str, system: str) -> None:
    assert TEMPLATES[name].chat.default_system == system


@pytest.mark.parametrize(
    ("of_checkpoint", "of_model_type", "expected"),
    [
        ("Hermes-2", "Hermes-2", "Hermes-2"),
        ("phi3-chat", "internlm2-chat", "phi3-chat"),
        (None, "internvl2_5", "internvl2_5"),
        ("internlm2-chat", "internlm2-chat-v1_5", "internlm2-chat-v1_5"),
        ("phi3-chat", "internlm2-chat-v1_5", "phi3-chat-v1_5"),
        ("Hermes-2", "internlm2-chat-v1_5", "Hermes-2"),
    ],
)
def test_the_checkpoint_names_its_template_and_the_model_type_its_generation(
    of_checkpoint: str | None, of_model_type: str, expected: str
) -> None:
    assert template_of({"template": of_checkpoint}, of_model_type) is TEMPLATES[expected]


def test_an_unknown_template_names_the_nearest() -> None:
    with pytest.raises(CheckpointMismatchError, match="internlm2-chat"):
        template_of({"template": "internlm-chat"}, "Hermes-2")


@pytest.mark.parametrize("name", TEMPLATES)
def test_frames_are_numbered_with_a_hyphen_since_2_5(name: str) -> None:
    assert TEMPLATES[name].frame_label == ("hyphen" if name == "internvl2_5" else "plain")
