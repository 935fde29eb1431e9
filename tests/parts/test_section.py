"""Fields of a checkpoint's JSON files: each is checked as it is read, and an error names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.errors import CheckpointMismatchError
from vlmplug.parts.section import Section, is_positive

VALUES: dict[str, Any] = {
    "layers": 12,
    "heads": 5,
    "eps": 1e-6,
    "selected": -1,
    "kept": [2, 0],
    "factors": [1, 1.5],
    "mean": [0, 0.5, 1],
    "tied": False,
    "act": "gelu",
    "vision": {"width": 48, "depth": None},
    "nothing": None,
}
CONFIG = Section("config.json", VALUES)


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda: CONFIG.size("layers"), 12),
        (lambda: CONFIG.whole("selected"), -1),
        (lambda: CONFIG.number("eps"), 1e-6),
        (lambda: CONFIG.number("layers"), 12.0),
        (lambda: CONFIG.numbers("factors"), (1.0, 1.5)),
        (lambda: CONFIG.sizes("kept"), (2, 0)),
        (lambda: CONFIG.triple("mean"), (0.0, 0.5, 1.0)),
        (lambda: CONFIG.triple("nothing"), None),
        (lambda: CONFIG.flag("tied"), False),
        (lambda: CONFIG.word("act", ("relu", "gelu")), "gelu"),
        (lambda: CONFIG.get("act"), "gelu"),
        (lambda: CONFIG.get("nothing"), None),
        (lambda: CONFIG.section("vision").size("width"), 48),
        (lambda: CONFIG.section("vision", {"depth": 2}).size("depth"), 2),
        (lambda: CONFIG.overlaid({"nothing": 3, "heads": 8}).size("nothing"), 3),
        (lambda: CONFIG.overlaid({"nothing": 3, "heads": 8}).size("heads"), 5),
    ],
)
def test_fields_are_read(read: Callable[[], object], expected: object) -> None:
    assert read() == expected


@pytest.mark.parametrize(
    ("read", "says"),
    [
        (lambda: CONFIG.size("width"), "config.json has no width."),
        (lambda: CONFIG.size("nothing"), "config.json has no nothing."),
        (lambda: CONFIG.size("selected"), "config.json: selected is -1, expected a whole number of at least 1."),
        (lambda: CONFIG.size("tied"), "tied is False, expected a whole number"),
        (lambda: CONFIG.check_sizes(("layers", "act")), "act is 'gelu', expected a whole number"),
        (lambda: CONFIG.whole("eps"), "eps is 1e-06, expected a whole number"),
        (lambda: CONFIG.number("selected"), "selected is -1, expected a positive number"),
        (lambda: CONFIG.check_numbers(("eps", "tied")), "tied is False, expected a positive number"),
        (lambda: CONFIG.numbers("kept"), r"kept is [2, 0], expected a list of positive numbers"),
        (lambda: CONFIG.numbers("eps"), "expected a list of positive numbers"),
        (lambda: CONFIG.sizes("factors"), "expected a list of whole numbers"),
        (lambda: CONFIG.triple("kept"), "kept is [2, 0], expected three numbers from 0 to 1"),
        (lambda: CONFIG.flag("layers"), "layers is 12, expected true or false"),
        (lambda: CONFIG.word("act", ("relu", "gelo")), "act is 'gelu', which this family does not have. Did you mean"),
        (lambda: CONFIG.check_fixed({"tied": False, "act": "silu"}), "act is 'gelu', expected 'silu'"),
        (lambda: CONFIG.check_multiple("layers", "heads"), "layers is 12, expected a multiple of heads (5)"),
        (lambda: CONFIG.check_multiple("layers", 7), "layers is 12, expected a multiple of 7."),
        (lambda: CONFIG.check_multiple("layers", "nothing"), "has no nothing"),
        (lambda: CONFIG.check_share("layers", "heads", "heads"), "layers is 12, expected heads / heads (5 / 5)."),
        (lambda: CONFIG.section("text"), "text of config.json is missing."),
        (lambda: CONFIG.section("act"), "act of config.json is 'gelu'."),
        (lambda: CONFIG.section("vision").size("depth"), "vision of config.json has no depth."),
        (lambda: Section("config.json", [1]), "config.json is [1]."),
    ],
)
def test_what_is_wrong_is_named(read: Callable[[], object], says: str) -> None:
    with pytest.raises(CheckpointMismatchError) as caught:
        read()
    assert says in str(caught.value)


def test_what_fits_passes() -> None:
    CONFIG.check_sizes(("layers", "heads"))
    CONFIG.check_numbers(("eps", "layers"))
    CONFIG.check_fixed({"tied": False, "absent": True})
    CONFIG.check_multiple("layers", 4)
    Section("config.json", {"width": 6, "heads": 4, "hidden": 24}).check_share("width", "hidden", "heads")


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_a_number_is_positive_or_refused(value: object) -> None:
    """Neither booleans nor infinity nor what is no number at all counts as one."""
    if is_positive(value):
        assert Section("config.json", {"eps": value}).number("eps") == value
        return
    with pytest.raises(CheckpointMismatchError, match="eps"):
        Section("config.json", {"eps": value}).number("eps")
