"""Values in one line, whatever they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vlmplug.conversation import PromptOptions
from vlmplug.model import EngineInput, MediaInput, MediaSpan
from vlmplug.prompt import MediaItem, Text
from vlmplug.short_form import short, short_error


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list)
    hidden: str = field(default="", repr=False)


class Anonymous:
    pass


class Vain:
    def __repr__(self) -> str:
        return "vain\nand long " * 50


class Broken:
    def __repr__(self) -> str:
        raise ValueError("no")


INPUT = MediaInput(np.zeros((5, 448, 448, 3), np.uint8), 1280, (2, 2), (0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "None"),
        (3, "3"),
        ("hi", "'hi'"),
        ("a" * 61, f"'{'a' * 60}'… 1 more"),
        ("two\nlines", "'two\\nlines'"),
        (b"12345", "5 bytes"),
        (PurePosixPath("/models/x"), "'/models/x'"),
        ((1, 2), "(1, 2)"),
        (tuple(range(1000)), "(0, 1, 2, … 997 more)"),
        ([1, 2, 3, 4], "[1, 2, 3, … 1 more]"),
        ({5}, "{5}"),
        ({"a": 1, "b": (1, 2)}, "{'a': 1, 'b': (1, 2)}"),
        (np.zeros((2, 3), np.float32), "float32[2, 3]"),
        (np.int64(3), "int64(3)"),
        (Image.new("RGB", (4, 2)), "RGB[4x2]"),
        (Point(1), "Point(x=1)"),
        (Point(1, 2, ["a"], "secret"), "Point(x=1, y=2, tags=['a'])"),
        (Point, "<class 'tests.test_short_form.Point'>"),
        (Anonymous(), "<Anonymous>"),
        (Broken(), "<Broken that cannot be shown: ValueError>"),
        ([[[[[1]]]]], "[[[[[…]]]]]"),
        (Text("hi"), "Text(text='hi')"),
        (PromptOptions("beside", media={"max_num": 6}), "PromptOptions(placement='beside', media={'max_num': 6})"),
        (MediaItem(0, options={"max_num": 6}), "MediaItem(part=0, options={'max_num': 6})"),
        (
            EngineInput((1,) * 9, (MediaSpan(0, 1, 3),), (INPUT,)),
            "EngineInput(input_ids=(1, 1, 1, … 6 more), spans=(MediaSpan(item=0, start=1, length=3)), "
            "media=(MediaInput(pixels=uint8[5, 448, 448, 3], tokens=1280, grid=(2, 2), "
            "mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))))",
        ),
    ],
)
def test_values(value: Any, shown: str) -> None:
    assert short(value) == shown


def test_the_whole_is_cut() -> None:
    assert short((INPUT, INPUT), 50) == "(MediaInput(pixels=uint8[5, 448, 448, 3], tokens=…"


def test_a_description_of_many_lines_is_one() -> None:
    shown = short(Vain())
    assert "\n" not in shown
    assert len(shown) == 60


def test_tensors_are_shown_as_arrays() -> None:
    torch = pytest.importorskip("torch")
    assert short(torch.zeros(2, 3, dtype=torch.bfloat16)) == "bfloat16[2, 3]"


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (KeyError("x"), "KeyError: 'x'"),
        (ValueError(), "ValueError"),
        (ValueError("two\n  lines"), "ValueError: two lines"),
        (Speechless(), "Speechless"),
        (OSError("x" * 1000), f"OSError: {'x' * 290}…"),
    ],
)
def test_errors(error: BaseException, shown: str) -> None:
    assert short_error(error) == shown


@given(
    st.recursive(
        st.none() | st.text() | st.binary() | st.floats() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    )
)
def test_every_value_is_one_short_line(value: object) -> None:
    shown = short(value, 100)
    assert len(shown) <= 100
    assert shown.splitlines() in ([], [shown])
