"""Which version a checkpoint is of."""

from __future__ import annotations

from typing import Any

import pytest

from vlmplug.errors import CheckpointMismatchError
from vlmplug_minicpm_v.versions import V2_5, V2_6, Version, version_of

TEXT = {"hidden_size": 4096, "query_num": 96}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"version": "2.5"}, V2_5),
        ({"version": 2.5}, V2_5),
        (TEXT, V2_5),
        ({"version": 2.6}, V2_6),
        ({"version": "2.6"}, V2_6),
    ],
    ids=["a text", "a number", "none", "2.6", "2.6 as a text"],
)
def test_versions_are_texts_or_numbers_or_missing(config: dict[str, Any], expected: Version) -> None:
    assert version_of(config, expected.template) is expected


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"version": "4.0"}, "4.0"),
        ({"version": 4.5}, "4.5"),
        ({"version": 26}, "26"),
        ({"hidden_size": 2304, "query_num": 64}, "2.0"),
    ],
)
def test_other_versions_are_refused(config: dict[str, Any], name: str) -> None:
    with pytest.raises(CheckpointMismatchError, match=f"MiniCPM-V {name}, which is not supported"):
        version_of(config, V2_6.template)


def test_another_version_than_that_of_the_model_type_is_refused() -> None:
    with pytest.raises(CheckpointMismatchError, match=r"MiniCPM-V 2\.6, the model type's") as caught:
        version_of({"version": 2.6}, V2_5.template)
    assert "minicpm-v-v2_6-chat" in caught.value.remedy
