"""Where pictures and clips go."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.conversation import Placement
from vlmplug.parts.placement import MediaUnit, Turn, joined, place, place_turns
from vlmplug.prompt import RenderedPrompt, Segment, Special, Text


def picture(name: str) -> MediaUnit:
    """A picture that shows itself as ``{name}``."""
    slot = Special(f"{{{name}}}")
    return MediaUnit("<image>", (slot,), (slot, Text("\n")))


def clip(name: str) -> MediaUnit:
    """A clip of one frame."""
    frames = (Text("Frame1: "), Special(f"{{{name}}}"), Text("\n"))
    return MediaUnit("<video>", frames, frames)


A, B, C, V = picture("A"), picture("B"), picture("C"), clip("V")


def helper(media: Sequence[MediaUnit]) -> list[Segment]:
    """Puts all media in front, in parentheses."""
    return [segment for unit in media for segment in (Text("("), *unit.segments, Text(")"))]


def shown(turns: Sequence[Turn], placement: Placement) -> list[str]:
    return [RenderedPrompt(segments).text() for segments in place(turns, placement, helper)]


@pytest.mark.parametrize(
    ("placement", "turn", "expected"),
    [
        ("inline", [Text("x"), A, Text("y"), V], "x{A}yFrame1: {V}\n"),
        ("inline", [A, Text("<image>")], "{A}<image>"),
        ("family", [Text("x"), A, Text("y"), B], "({A})({B})xy"),
        ("beside", [A, Text("x")], "{A}\nx"),
        ("beside", [A, Text("x<image>y")], "x{A}y"),
        ("beside", [A, B, Text("<image>x<image>")], "{A}x{B}"),
        ("beside", [A, B, Text("x<image>")], "{A}\nx{B}"),
        ("beside", [A, B, C, Text("x<image>")], "{A}\n{B}\nx{C}"),
        ("beside", [A, Text("<image>x<image>")], "{A}x<image>"),
        ("beside", [Text("x<image>")], "x<image>"),
        ("beside", [A, Text("")], "{A}\n"),
        ("beside", [A], "{A}\n"),
        ("beside", [V, Text("x")], "Frame1: {V}\nx"),
        ("beside", [V, Text("x<video>y")], "xFrame1: {V}\ny"),
        ("beside", [V, Text("<image>x")], "Frame1: {V}\n<image>x"),
        ("beside", [A, V, B, Text("x")], "{A}\nFrame1: {V}\n{B}\nx"),
        ("beside", [A, V, Text("<video>x<image>")], "Frame1: {V}\nx{A}"),
        ("beside", [A, Text("x"), Text("<image>"), Text("y")], "x{A}y"),
    ],
)
def test_one_turn(placement: Placement, turn: Turn, expected: str) -> None:
    assert shown([turn], placement) == [expected]


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([[Text("x")], [A, Text("y")]], ["x", "{A}\ny"]),
        ([[Text("x<image>")], [A, Text("y")]], ["x{A}", "y"]),
        ([[Text("<image>x")], [A, B, Text("y<image>")]], ["{A}x", "y{B}"]),
        ([[Text("<image>x")], [A, B, C, Text("y<image>")]], ["{A}x", "{B}\ny{C}"]),
        ([[A, Text("x")], [B, Text("y")]], ["{A}\nx", "{B}\ny"]),
        ([[A, Text("x")], [Text("y<image>")]], ["{A}\nx", "y<image>"]),
        ([[A, Text("x")], [B, Text("<image>y<image>")]], ["{A}\nx", "{B}y<image>"]),
        ([[A, Text("x")], [Text("<image>")], [B, Text("y")]], ["{A}\nx", "{B}", "y"]),
    ],
    ids=[
        "missing tags go into the turn that brings the media",
        "tags of an earlier turn are places too",
        "places take the media in order",
        "missing ones stand between them",
        "each turn has its own",
        "no media left",
        "too many tags",
        "media that come later fill the turns before",
    ],
)
def test_several_turns_beside(turns: list[Turn], expected: list[str]) -> None:
    assert shown(turns, "beside") == expected


PARTS = st.lists(st.sampled_from([Text("a"), Text("<image>"), Text("<video>b"), A, B, V]), max_size=6)


def places(segments: Sequence[Segment]) -> list[str]:
    """Which media stand among segments, in order."""
    return [segment.token for segment in segments if isinstance(segment, Special)]


@given(st.lists(PARTS, min_size=1, max_size=4), st.sampled_from(["inline", "family", "beside"]))
def test_every_medium_has_exactly_one_place(turns: list[Turn], placement: Placement) -> None:
    handed_over = [
        name for turn in turns for unit in turn if isinstance(unit, MediaUnit) for name in places(unit.segments)
    ]
    placed = [name for segments in place(turns, placement, helper) for name in places(segments)]
    assert sorted(placed) == sorted(handed_over)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=3))
def test_places_take_the_media_in_order(counts: list[tuple[int, int]]) -> None:
    names = iter("abcdefghijkl")
    turns = [[*(picture(next(names)) for _ in range(media)), Text("<image>" * tags)] for media, tags in counts]
    placed = [name for segments in place(turns, "beside", helper) for name in places(segments)]
    assert placed == sorted(placed)


@pytest.mark.parametrize(
    ("turn", "expected"),
    [([Text("x"), A, Text("y")], "x|{A}|y"), ([A, B], "{A}|{B}"), ([V, Text("x")], "Frame1: {V}\n|x"), ([], "")],
)
def test_parts_with_a_separator_between_them(turn: Turn, expected: str) -> None:
    assert RenderedPrompt(joined(turn, Text("|"))).text() == expected


@pytest.mark.parametrize(
    ("placement", "expected"),
    [("family", ["x|{A}", "{B}|y"]), ("inline", ["x{A}", "{B}y"]), ("beside", ["{A}\nx", "{B}\ny"])],
)
def test_a_helper_for_whole_turns(placement: Placement, expected: list[str]) -> None:
    turns: list[Turn] = [[Text("x"), A], [B, Text("y")]]
    placed = place_turns(turns, placement, lambda turn: joined(turn, Text("|")))
    assert [RenderedPrompt(segments).text() for segments in placed] == expected
