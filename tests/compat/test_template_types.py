"""``get_default_template_type``."""

from __future__ import annotations

import pytest

from tests.compat.conftest import CHECKPOINT
from vlmplug.compat.swift import Template, get_default_template_type, register_model, register_template
from vlmplug.compat.swift.template_types import TEMPLATE_TYPES
from vlmplug.errors import NoPluginError, UnknownModelTypeError


@pytest.mark.parametrize(
    ("model_type", "template_type"), [(name, key) for key, names in TEMPLATE_TYPES.items() for name in names]
)
def test_model_types_of_swift_have_their_template_types(model_type: str, template_type: str) -> None:
    """Whether a plugin here runs them or not."""
    assert get_default_template_type(model_type) == template_type


@pytest.mark.parametrize(
    ("model_type", "template_type"),
    [("internvl2-tiny", "internvl2"), ("tiny", "internvl2"), ("internvl2_5-8b", "internvl2_5")],
)
def test_others_have_that_of_their_like_or_the_template_s_own_name(model_type: str, template_type: str) -> None:
    assert get_default_template_type(model_type) == template_type


def test_a_registered_model_type_has_the_template_that_it_was_given() -> None:
    register_template("mine", Template([], [], [], []))
    register_model("my-shapes", CHECKPOINT, template="mine")
    register_model("my-others", CHECKPOINT)
    assert get_default_template_type("my-shapes") == "mine"
    assert get_default_template_type("my-others") == "internvl2"


def test_unknown_model_types() -> None:
    with pytest.raises(UnknownModelTypeError, match="internvl2-2b"):
        get_default_template_type("internvl2-2")
    with pytest.raises(NoPluginError, match="llava-hf/llava-1"):
        get_default_template_type("llava1_5-7b-instruct")
