"""Media written into a data URL are read as the standard says, or refused without repeating them."""

from __future__ import annotations

import base64
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.data_url import read_data_url
from vlmplug.errors import MediaError

WHERE = "images[2]"
CONTENT = bytes(range(256))


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@given(st.binary(max_size=300))
def test_base64(content: bytes) -> None:
    assert read_data_url(f"data:image/png;base64,{encoded(content)}", WHERE, 300) == content


@given(st.binary(max_size=300))
def test_percent_encoding(content: bytes) -> None:
    assert read_data_url(f"data:application/octet-stream,{quote_from_bytes(content)}", WHERE, 300) == content


@pytest.mark.parametrize(
    "url",
    [
        f"data:;base64,{encoded(CONTENT)}",
        f"data:text/html;charset=x;BASE64,{encoded(CONTENT)}",
        f"DATA:image/png;base64,{encoded(CONTENT)}",
        "data:image/png;base64," + "\r\n".join(encoded(CONTENT)[at : at + 76] for at in range(0, 400, 76)),
        f"data:image/png;base64,{encoded(CONTENT).replace('+', '%2B').replace('/', '%2F').replace('=', '%3D')}",
    ],
    ids=["no type", "wrong type", "upper case", "lines", "percent signs in base64"],
)
def test_the_ways_to_write_one(url: str) -> None:
    assert read_data_url(url, WHERE, 256) == CONTENT


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("data:image/png;base64", "no comma"),
        ("data:image/png;base64,AAA", "not valid base64"),
        ("data:image/png;base64,AA=A", "not valid base64"),
        ("data:image/png;base64,AA$A", "not valid base64"),
        ("data:image/png;base64,AA_-", "not valid base64"),
        ("data:image/png;base64,äöüß", "outside ASCII"),
        ("data:text/plain,äöü", "outside ASCII"),
    ],
)
def test_broken_ones(url: str, says: str) -> None:
    with pytest.raises(MediaError, match=says) as caught:
        read_data_url(url, WHERE, 1000)
    assert caught.value.problem.startswith(WHERE)
    assert "data:image/png;base64,…" in caught.value.remedy


@pytest.mark.parametrize("body", [encoded(CONTENT), "%00" * 256], ids=["base64", "percent"])
def test_the_limit(body: str) -> None:
    url = f"data:{';base64' if '%' not in body else ''},{body}"
    assert len(read_data_url(url, WHERE, 256)) == 256
    for limit in (255, 1):
        with pytest.raises(MediaError, match=f"more than {limit} bytes"):
            read_data_url(url, WHERE, limit)


def test_no_message_repeats_the_data() -> None:
    with pytest.raises(MediaError) as caught:
        read_data_url("data:image/png;base64," + "secret" * 20_001, WHERE, 10**6)
    assert "secret" not in str(caught.value)
