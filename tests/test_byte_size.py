"""Sizes as people write and read them."""

from __future__ import annotations

import pytest

from vlmplug.byte_size import gibibytes, parse_size
from vlmplug.errors import OptionError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("24GB", 24 * 10**9),
        ("24 gb", 24 * 10**9),
        ("24G", 24 * 10**9),
        ("24GiB", 24 * 2**30),
        ("22.5GiB", int(22.5 * 2**30)),
        ("500MB", 5 * 10**8),
        ("512 MiB", 2**29),
        ("1TB", 10**12),
        ("7b", 7),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text, "--fits") == size


@pytest.mark.parametrize(
    "text", ["24", "GB", "", "-1GB", "24 elephants", "1e3GB", "24GB24GB", "nanGB", "9" * 30 + "GB"]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(OptionError, match=r"--fits: .* is no size.*24GB"):
        parse_size(text, "--fits")


@pytest.mark.parametrize(
    ("size", "text"), [(18 * 2**30, "18.0 GiB"), (2**29, "0.5 GiB"), (2**20 * 80, "80.0 MiB"), (0, "0.0 MiB")]
)
def test_gibibytes(size: int, text: str) -> None:
    assert gibibytes(size) == text
