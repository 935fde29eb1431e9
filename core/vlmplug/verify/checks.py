"""Comparisons by format 1: strings, ids, positions and counts equal; numbers within the set's tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vlmplug.verify.goldens import ExpectedPixels, ExpectedSpan
from vlmplug.verify.result import Finding

#: Characters of a string, and ids of a sequence, that are shown on each side of the first difference.
_TEXT_AROUND = 30
_IDS_AROUND = 4

Array = npt.NDArray[np.float32]


def check_prompt(expected: str, actual: str) -> Finding:
    """The prompt as a string."""
    place = first_difference(expected, actual)
    if place is None:
        return Finding("prompt")
    return Finding(
        "prompt",
        f"first difference at character {place}: expected {_text_around(expected, place)},"
        f" got {_text_around(actual, place)}",
    )


def check_ids(expected: Sequence[int], actual: Sequence[int], check: str = "ids") -> Finding:
    """Token ids; an expected -1 stands for a position that has no id of its own."""
    blank = [id_ if place >= len(expected) or expected[place] != -1 else -1 for place, id_ in enumerate(actual)]
    place = first_difference(expected, blank)
    if place is None:
        return Finding(check)
    return Finding(
        check,
        f"first difference at {place}: expected {_at(expected, place)}, got {_at(blank, place)}"
        f" (expected …{_ids_around(expected, place)}…, got …{_ids_around(blank, place)}…;"
        f" {len(expected)} and {len(actual)} in all)",
    )


def check_spans(expected: Sequence[ExpectedSpan], actual: Sequence[ExpectedSpan]) -> Finding:
    """Where vision embeddings go, and of which picture."""
    place = first_difference(expected, actual)
    if place is None:
        return Finding("spans")
    return Finding(
        "spans",
        f"first difference at media {place}: expected {_span(expected, place)}, got {_span(actual, place)}"
        f" ({len(expected)} and {len(actual)} in all)",
    )


def check_positions(expected: Sequence[int] | None, actual: Sequence[int] | None, length: int) -> Finding:
    """Position ids; None stands for 0..n-1."""
    return check_ids(_counted(expected, length), _counted(actual, length), "positions")


def check_equal(check: str, expected: Any, actual: Any) -> Finding:
    """A grid, a number of tiles or tokens."""
    return Finding(check, "" if expected == actual else f"expected {expected}, got {actual}")


def check_sequence(check: str, expected: Sequence[Any], actual: Sequence[Any]) -> Finding:
    """Sizes or frame numbers."""
    place = first_difference(expected, actual)
    if place is None:
        return Finding(check)
    return Finding(
        check,
        f"first difference at {place}: expected {_at(expected, place)}, got {_at(actual, place)}"
        f" ({len(expected)} and {len(actual)} in all)",
    )


@dataclass(frozen=True)
class PixelTolerance:
    """Largest differences of single values, and of mean and standard deviation."""

    values: float
    statistics: float


def check_pixels(expected: ExpectedPixels, tiles: Sequence[Array], tolerance: PixelTolerance) -> list[Finding]:
    """The prepared tensor: shape, samples, mean and standard deviation.

    :param tiles: float32 [3, height, width] each, in order.
    """
    shapes = _unstacked(expected.shapes)
    actual = tuple(tile.shape for tile in tiles)
    if shapes != actual:
        return [Finding("pixels", f"expected shapes {_runs(shapes)}, got {_runs(actual)}")]
    flat = np.concatenate([tile.ravel() for tile in tiles])
    return [
        _check_samples(expected, flat, tiles, tolerance.values),
        _check_statistics(
            "pixel mean", expected.mean, _statistics(expected, tiles, flat, np.mean), tolerance.statistics
        ),
        _check_statistics("pixel std", expected.std, _statistics(expected, tiles, flat, np.std), tolerance.statistics),
    ]


def check_tensor(check: str, expected: Array, actual: Array, limit: float) -> Finding:
    """Features or logits: largest difference relative to the largest stored value."""
    if expected.shape != actual.shape:
        return Finding(check, f"expected shape {list(expected.shape)}, got {list(actual.shape)}")
    if not np.isfinite(actual).all():
        return Finding(check, f"{int((~np.isfinite(actual)).sum())} values are not finite", float("inf"), limit)
    difference = np.abs(actual - expected)
    scale = float(np.abs(expected).max()) or 1.0
    measured = float(difference.max()) / scale
    if measured <= limit:
        return Finding(check, "", measured, limit)
    place = np.unravel_index(int(difference.argmax()), difference.shape)
    return Finding(
        check,
        f"largest difference {measured:.3g} (limit {limit:.3g}) of the largest value {scale:.4g},"
        f" at {[int(index) for index in place]}: expected {expected[place]:.6g}, got {actual[place]:.6g}",
        measured,
        limit,
    )


def first_difference(expected: Sequence[Any], actual: Sequence[Any]) -> int | None:
    """The first place at which two sequences differ; their common length where one goes on; None: equal."""
    for place, (one, other) in enumerate(zip(expected, actual, strict=False)):
        if one != other:
            return place
    return None if len(expected) == len(actual) else min(len(expected), len(actual))


def _check_samples(expected: ExpectedPixels, flat: Array, tiles: Sequence[Array], limit: float) -> Finding:
    indices = np.asarray([index for index, _ in expected.samples])
    values = np.asarray([value for _, value in expected.samples])
    if indices.max() >= flat.size:
        return Finding("pixels", f"a sample at {indices.max()} of {flat.size} values")
    difference = np.abs(flat[indices] - values)
    worst = int(difference.argmax())
    measured = float(difference[worst])
    if measured <= limit:
        return Finding("pixels", "", measured, limit)
    return Finding(
        "pixels",
        f"largest difference {measured:.3g} (limit {limit:.3g}) at {_place(int(indices[worst]), tiles)}:"
        f" expected {values[worst]:.6g}, got {flat[indices[worst]]:.6g}",
        measured,
        limit,
    )


def _check_statistics(check: str, expected: Sequence[float], actual: Sequence[float], limit: float) -> Finding:
    if len(expected) != len(actual):
        return Finding(check, f"expected {len(expected)} numbers, got {len(actual)}")
    differences = [abs(one - other) for one, other in zip(expected, actual, strict=True)]
    worst = int(np.argmax(differences))
    measured = float(differences[worst])
    if measured <= limit:
        return Finding(check, "", measured, limit)
    return Finding(
        check,
        f"largest difference {measured:.3g} (limit {limit:.3g}) at {worst}:"
        f" expected {expected[worst]:.6g}, got {actual[worst]:.6g}",
        measured,
        limit,
    )


def _statistics(expected: ExpectedPixels, tiles: Sequence[Array], flat: Array, kind: Any) -> list[float]:
    if expected.over == "all":
        return [float(kind(flat, dtype=np.float64))]
    if expected.over == "tile":
        return [float(kind(tile, dtype=np.float64)) for tile in tiles]
    channels = np.concatenate([tile.reshape(tile.shape[0], -1) for tile in tiles], axis=1)
    return [float(kind(channel, dtype=np.float64)) for channel in channels]


def _unstacked(shapes: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """One [channels, height, width] a tile."""
    if len(shapes) == 1 and len(shapes[0]) == 4:
        return (shapes[0][1:],) * shapes[0][0]
    return tuple(shapes)


def _place(index: int, tiles: Sequence[Array]) -> str:
    for number, tile in enumerate(tiles):
        if index < tile.size:
            channel, row, column = np.unravel_index(index, tile.shape)
            return f"tile {number}, channel {channel}, row {row}, column {column}"
        index -= tile.size
    return f"{index} values past the end"


def _runs(shapes: Sequence[tuple[int, ...]]) -> str:
    different = sorted(set(shapes))
    return f"{len(shapes)} x {list(different[0])}" if len(different) == 1 else str([list(shape) for shape in shapes])


def _counted(positions: Sequence[int] | None, length: int) -> Sequence[int]:
    return range(length) if positions is None else positions


def _at(sequence: Sequence[Any], place: int) -> Any:
    return sequence[place] if place < len(sequence) else "nothing"


def _span(spans: Sequence[ExpectedSpan], place: int) -> str:
    if place >= len(spans):
        return "nothing"
    return f"{spans[place].id} at {spans[place].start}, length {spans[place].length}"


def _ids_around(ids: Sequence[int], place: int) -> str:
    return " ".join(map(str, ids[max(0, place - _IDS_AROUND) : place + _IDS_AROUND + 1]))


def _text_around(text: str, place: int) -> str:
    begin = max(0, place - _TEXT_AROUND)
    return repr(("…" if begin else "") + text[begin : place + _TEXT_AROUND])
