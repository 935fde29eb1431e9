"""``config.json``: which architectures it names, and values inside it."""

from __future__ import annotations

from typing import Any

import pytest

from vlmplug.config_json import declared_architectures, remote_classes, value_at, without_nulls


@pytest.mark.parametrize(
    ("architectures", "found"),
    [(["A", "B"], ("A", "B")), (["A", 3, None], ("A",)), ("A", ()), (None, ()), ({}, ())],
)
def test_architectures_are_those_that_are_names(architectures: Any, found: tuple[str, ...]) -> None:
    assert declared_architectures({"architectures": architectures}) == found


@pytest.mark.parametrize(
    ("auto_map", "found"),
    [
        ({"AutoConfig": "configuration_x.XConfig", "AutoModel": "modeling_x.XModel"}, ("XConfig", "XModel")),
        ({"AutoModel": "m.X", "AutoModelForCausalLM": "m.X"}, ("X",)),
        ({"AutoModel": "Org/Other--modeling_x.X"}, ("X",)),
        ({"AutoTokenizer": ["tokenization_x.XTokenizer", None]}, ()),
        ([], ()),
        (None, ()),
    ],
)
def test_classes_of_the_remote_code_are_names_only(auto_map: Any, found: tuple[str, ...]) -> None:
    assert remote_classes({"auto_map": auto_map}) == found


def test_null_counts_as_left_out() -> None:
    config = {"a": None, "b": {"c": None, "d": 0, "e": {"f": None}}, "g": [None], "h": False, "i": ""}
    assert without_nulls(config) == {"b": {"d": 0, "e": {}}, "g": [None], "h": False, "i": ""}


@pytest.mark.parametrize(
    ("key", "value"), [("a", {"b": 0}), ("a.b", 0), ("a.c", None), ("c", None), ("a.b.c", None), ("", None)]
)
def test_dotted_keys(key: str, value: Any) -> None:
    assert value_at({"a": {"b": 0}}, key) == value
