"""Remedies are right for both ways of calling."""

from __future__ import annotations

import inspect
import re

import pytest

import vlmplug
from tests.cli.test_commands import parsers_below
from vlmplug.checkpoint import find_folder, shape_config
from vlmplug.cli.commands import full_parser
from vlmplug.errors import CheckpointError, HubError
from vlmplug.hub.fetch import plan_fetch
from vlmplug.hub.options import HubOptions
from vlmplug.light_dataclass import replace
from vlmplug.model_type import Hub
from vlmplug.registry import load_registry
from vlmplug.remedy import MODEL_FOLDER, OTHER_HUB, either


def test_both_ways_are_named() -> None:
    assert either("load(TYPE)", "--model TYPE") == "load(TYPE) in Python, --model TYPE at the command line"


@pytest.mark.parametrize("words", [MODEL_FOLDER, OTHER_HUB])
def test_what_is_named_exists(words: str) -> None:
    known = {flag for parser in parsers_below(full_parser()) for flag in parser._option_string_actions}
    assert set(re.findall(r"--[a-z-]+", words)) <= known
    ((name, parameter),) = re.findall(r"(\w+)\((?:…, )?(\w+)=", words)
    assert parameter in inspect.signature(getattr(vlmplug, name)).parameters


def test_errors_of_models_name_both_ways() -> None:
    registry = load_registry()
    entry = replace(registry.model_type("internvl2-2b"), checkpoint=None, shape=None, hub=Hub())
    bare = replace(registry, model_types={entry.name: entry})
    for fail in (
        lambda: find_folder(entry),
        lambda: shape_config(bare, entry.name),
        lambda: plan_fetch(entry, registry.family(entry.family), HubOptions(offline=False)),
        lambda: plan_fetch(entry, registry.family(entry.family), HubOptions(offline=True)),
    ):
        with pytest.raises((CheckpointError, HubError)) as caught:
            fail()
        assert "in Python, --" in caught.value.remedy
