"""A policy that makes no sense is refused when it is made."""

from __future__ import annotations

import math
from typing import Any

import pytest

from vlmplug.errors import OptionError
from vlmplug.media_policy import MediaPolicy


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("addresses", "private"),
        ("addresses", None),
        ("local_files", 1),
        ("download_bytes", 0),
        ("download_bytes", 1e9),
        ("download_bytes", True),
        ("download_seconds", 0),
        ("download_seconds", -1.0),
        ("download_seconds", math.inf),
        ("download_seconds", math.nan),
        ("download_seconds", "60"),
        ("redirects", -1),
        ("redirects", 1.5),
    ],
)
def test_out_of_range(field: str, value: Any) -> None:
    with pytest.raises(OptionError, match=field) as caught:
        MediaPolicy(**{field: value})
    assert caught.value.remedy


def test_a_stricter_one() -> None:
    policy = MediaPolicy(local_files=False, addresses="public", download_bytes=1, download_seconds=0.5, redirects=0)
    assert policy == MediaPolicy(False, "public", 1, 0.5, 0)
