"""``ModelType`` and ``TemplateType``."""

from __future__ import annotations

import re

import pytest

from tests.compat.conftest import CHECKPOINT
from vlmplug.compat.swift import ModelType, TemplateType, register_model
from vlmplug.registry import load_registry


def test_every_model_type_of_the_registry_is_an_attribute() -> None:
    registry = load_registry()
    named = {getattr(ModelType, attribute) for attribute in dir(ModelType)}
    assert {*registry.model_types, *registry.known} <= named
    assert all(hasattr(ModelType, re.sub(r"\W", "_", alias)) for alias in registry.aliases)


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        ("internvl2_2b", "internvl2-2b"),
        ("internvl2_5_8b", "internvl2_5-8b"),
        ("internvl2_llama3_76b", "internvl2-llama3-76b"),
        ("internvl2_tiny", "internvl2-tiny"),
        ("glm4v_9b_chat", "glm4v-9b-chat"),
        ("qwen_vl_chat", "qwen-vl-chat"),
        ("deepseek_vl_1_3b_chat", "deepseek-vl-1_3b-chat"),
        ("internlm_xcomposer2_5_7b_chat", "internlm-xcomposer2_5-7b-chat"),
        ("minicpm_v_v2_5_chat", "minicpm-v-v2_5-chat"),
    ],
)
def test_model_types(attribute: str, name: str) -> None:
    assert getattr(ModelType, attribute) == name


@pytest.mark.parametrize(
    ("attribute", "name"),
    [("internvl2", "internvl2"), ("qwen_vl", "qwen-vl"), ("internvl2_phi3", "internvl2-phi3"), ("default", "default")],
)
def test_template_types(attribute: str, name: str) -> None:
    assert getattr(TemplateType, attribute) == name


def test_what_was_registered_is_there_at_once() -> None:
    with pytest.raises(AttributeError):
        ModelType.my_shapes  # noqa: B018
    register_model("my-shapes", CHECKPOINT)
    assert ModelType.my_shapes == "my-shapes"


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match=r"ModelType has no 'internvl2_3b'\. Did you mean .*internvl2_2b"):
        ModelType.internvl2_3b  # noqa: B018
    assert not hasattr(ModelType, "__iter__")
