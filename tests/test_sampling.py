"""Sampling settings refuse wrong types and ranges at once, before a request is prepared."""

from __future__ import annotations

from typing import Any

import pytest

from vlmplug.errors import OptionError
from vlmplug.sampling import Answer, Sampling, Timings


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_new_tokens", 0),
        ("max_new_tokens", 1.5),
        ("max_new_tokens", True),
        ("max_new_tokens", 10_000_001),
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("temperature", "1"),
        ("top_k", -1),
        ("top_k", 2.5),
        ("top_p", 0),
        ("top_p", 1.1),
        ("repetition_penalty", 0),
        ("seed", "x"),
        ("seed", 1.0),
        ("stop_ids", [1]),
        ("stop_ids", ("x",)),
        ("stop_ids", (True,)),
        ("stop_words", "word"),
        ("stop_words", (3,)),
        ("stop_words", ("a", "")),
        ("logprobs", 0),
        ("logprobs", 1.5),
        ("json_schema", "{}"),
        ("json_schema", [1]),
    ],
)
def test_what_is_refused(field: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"^{field} is"):
        Sampling(**{field: value})


@pytest.mark.parametrize(
    "fields",
    [
        {"max_new_tokens": 1, "temperature": 2, "top_k": 0, "top_p": 1},
        {"seed": -1, "stop_ids": (3, 4), "stop_words": ("a", "b")},
        {"logprobs": 1, "json_schema": {}},
    ],
)
def test_what_is_accepted(fields: dict[str, Any]) -> None:
    assert all(getattr(Sampling(**fields), name) == value for name, value in fields.items())


@pytest.mark.parametrize(("temperature", "greedy"), [(0, True), (0.0, True), (0.1, False)])
def test_greedy(temperature: float, greedy: bool) -> None:
    assert Sampling(temperature=temperature).greedy is greedy


@pytest.mark.parametrize(("tokens", "rate"), [(0, 0.0), (1, 0.0), (9, 4.0)])
def test_the_rate_counts_from_the_first_token(tokens: int, rate: float) -> None:
    timings = Timings(first_token=1.0, total=3.0)
    assert Answer("", tuple(range(tokens)), "stop", 5, 0, timings=timings).tokens_per_second == rate
