"""``get_template``: official prompts under swift's names; what would be another prompt is refused."""

from __future__ import annotations

from typing import Any

import pytest

from vlmplug.compat.swift import Template, get_template, register_template
from vlmplug.compat.swift.tokenizer import HfTokenizer
from vlmplug.errors import OptionError

#: Swift's own template of InternVL2, word for word.
PROMPT = ["<|im_start|>user\n{{QUERY}}<|im_end|><|im_start|>assistant\n"]
SYSTEM_PREFIX = ["<|im_start|>system\n{{SYSTEM}}<|im_end|>"]


def internvl2(system: str | None = "You count.", **changes: Any) -> Template:
    parts: dict[str, Any] = {"prefix": [], "prompt": PROMPT, "chat_sep": ["<|im_end|>"], "suffix": ["<|im_end|>"]}
    return Template(**{**parts, "default_system": system, "system_prefix": SYSTEM_PREFIX, **changes})


@pytest.mark.parametrize("name", ["internvl2", "AUTO", "default"])
def test_the_model_s_own(tokenizer: HfTokenizer, name: str) -> None:
    template = get_template(name, tokenizer, "You count.", 512, "truncation_left")
    assert (template.template_type, template.tokenizer, template.default_system) == (name, tokenizer, "You count.")
    assert (template.max_length, template.truncation_strategy) == (512, "truncation_left")


def test_what_is_for_training_or_tools_changes_nothing(tokenizer: HfTokenizer) -> None:
    assert get_template("internvl2", tokenizer, tools_prompt="react_zh", loss_scale="default").default_system is None


@pytest.mark.parametrize(
    ("arguments", "more", "message"),
    [
        (("qwen-vl",), {}, "Template type 'qwen-vl' is not the one of internvl2-tiny .*Give 'internvl2'"),
        (("intern-vl2",), {}, "is none, .*Did you mean internvl2"),
        (("internvl2",), {"max_lenght": 3}, "get_template takes no 'max_lenght'"),
        (("internvl2",), {"max_length": 0}, "max_length is 0"),
        (("internvl2",), {"truncation_strategy": "truncate"}, "truncation_strategy is 'truncate'"),
        (("internvl2",), {"rescale_image": 100}, "rescale_image=100 cannot be had"),
    ],
)
def test_what_cannot_be_had(tokenizer: HfTokenizer, arguments: tuple[Any], more: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        get_template(arguments[0], tokenizer, **more)


def test_another_tokenizer() -> None:
    with pytest.raises(OptionError, match=r"The tokenizer is a str. Give engine\.hf_tokenizer"):
        get_template("internvl2", "internvl2-tiny")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "template",
    [
        internvl2(),
        internvl2(auto_add_bos=True),
        internvl2(suffix=[["eos_token_id"]], chat_sep=[["eos_token_id"]]),
        internvl2(prefix=SYSTEM_PREFIX, system_prefix=None),
    ],
    ids=["swift's own", "bos where there is none", "ids by their names", "the system in the prefix"],
)
def test_a_registered_template_with_the_official_prompt(tokenizer: HfTokenizer, template: Template) -> None:
    register_template("mine", template)
    found = get_template("mine", tokenizer)
    assert (found.default_system, found.tokenizer, found.template_type) == ("You count.", tokenizer, "mine")
    assert get_template("mine", tokenizer, "You name.").default_system == "You name."
    assert template.tokenizer is None  # the registered one serves any engine


@pytest.mark.parametrize(
    "template",
    [
        internvl2(chat_sep=["<|im_end|>\n"]),
        internvl2(prompt=["USER: {{QUERY}} ASSISTANT:"]),
        internvl2(None),
        internvl2(prompt=["<|im_start|>user\nRound {{ROUND1}}: {{QUERY}}<|im_end|><|im_start|>assistant\n"]),
    ],
    ids=["a line break", "another format", "no system part", "numbered rounds"],
)
def test_another_prompt_is_refused_and_both_are_shown(tokenizer: HfTokenizer, template: Template) -> None:
    register_template("mine", template)
    with pytest.raises(OptionError, match=r"Template 'mine' gives the prompt .*internvl2-tiny has .*docs/plugins\.md"):
        get_template("mine", tokenizer)


def test_a_token_that_there_is_not(tokenizer: HfTokenizer) -> None:
    register_template("mine", internvl2(suffix=["<|im_end|>"], chat_sep=[["sep_token_id"]]))
    with pytest.raises(OptionError, match="The tokenizer has no 'sep_token_id'"):
        get_template("mine", tokenizer)
