"""Import paths point at code by name, and say what is wrong with them."""

from __future__ import annotations

import json

import pytest

from vlmplug.errors import PluginLoadError
from vlmplug.import_path import load


def test_loads_the_named_object() -> None:
    assert load("json:dumps") is json.dumps


@pytest.mark.parametrize("path", ["json", "json:", ":dumps", "no_such_module:name", "json:no_such_name"])
def test_says_what_is_wrong(path: str) -> None:
    with pytest.raises(PluginLoadError, match=path):
        load(path)
