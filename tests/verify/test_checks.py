"""Each comparison passes on equal values, and says what differs and where on others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from vlmplug.verify import checks
from vlmplug.verify.checks import PixelTolerance
from vlmplug.verify.goldens import ExpectedPixels, ExpectedSpan
from vlmplug.verify.result import Finding

SPANS = (ExpectedSpan("im0", 4, 16), ExpectedSpan("im1", 25, 16))
IDS = tuple(range(100, 120))
MATRIX = np.linspace(-2, 3, 12, dtype=np.float32).reshape(3, 4)


@pytest.mark.parametrize(
    "finding",
    [
        checks.check_prompt("<s>你好 <image>", "<s>你好 <image>"),
        checks.check_ids(IDS, list(IDS)),
        checks.check_ids((1, -1, -1, 4), (1, 77, 78, 4)),
        checks.check_spans(SPANS, list(SPANS)),
        checks.check_spans((), ()),
        checks.check_positions(None, None, 5),
        checks.check_positions(None, (0, 1, 2), 3),
        checks.check_positions((0, 0, 1), (0, 0, 1), 3),
        checks.check_equal("grid", (3, 2), (3, 2)),
        checks.check_equal("grid", None, None),
        checks.check_sequence("frames", (3, 9, 15), [3, 9, 15]),
        checks.check_tensor("logits", MATRIX, MATRIX + np.float32(2e-5), 1e-4),
    ],
)
def test_equal_values_pass(finding: Finding) -> None:
    assert finding.passed
    assert finding.problem == ""


@pytest.mark.parametrize(
    ("finding", "says"),
    [
        (checks.check_prompt("ab cd", "ab  cd"), "at character 3: expected 'ab cd', got 'ab  cd'"),
        (checks.check_prompt("abc", "abcd"), "at character 3"),
        (
            checks.check_ids(IDS, (*IDS[:10], 999, *IDS[11:])),
            "at 10: expected 110, got 999 (expected …106 107 108 109 110 111 112 113 114…, got …106 107 108 109 999",
        ),
        (checks.check_ids(IDS, IDS[:-1]), "at 19: expected 119, got nothing"),
        (checks.check_ids(IDS, (*IDS, 7)), "at 20: expected nothing, got 7"),
        (checks.check_ids((1, -1), (1, 5, 6)), "at 2: expected nothing, got 6"),
        (
            checks.check_spans(SPANS, (SPANS[0], ExpectedSpan("im1", 26, 16))),
            "at media 1: expected im1 at 25, length 16, got im1 at 26, length 16 (2 and 2 in all)",
        ),
        (checks.check_spans(SPANS, SPANS[:1]), "got nothing (2 and 1 in all)"),
        (checks.check_spans(SPANS, (ExpectedSpan("im9", 4, 16), SPANS[1])), "expected im0 at 4, length 16, got im9"),
        (checks.check_positions(None, (0, 1, 1), 3), "at 2: expected 2, got 1"),
        (checks.check_positions((0, 0, 1), None, 3), "at 1: expected 0, got 1"),
        (checks.check_equal("grid", (4, 3), (3, 4)), "expected (4, 3), got (3, 4)"),
        (checks.check_equal("tokens", 256, 255), "expected 256, got 255"),
        (checks.check_sequence("frames", (3, 9, 15), (3, 8, 15)), "at 1: expected 9, got 8 (3 and 3 in all)"),
        (checks.check_tensor("features", MATRIX, MATRIX[:2], 1.0), "expected shape [3, 4], got [2, 4]"),
        (checks.check_tensor("features", MATRIX, np.full_like(MATRIX, np.nan), 1.0), "12 values are not finite"),
    ],
)
def test_what_differs_and_where(finding: Finding, says: str) -> None:
    assert not finding.passed
    assert says in finding.problem


def test_the_largest_difference_of_a_tensor_and_its_place() -> None:
    changed = MATRIX.copy()
    changed[1, 2] += 0.3
    changed[0, 0] -= 0.1
    finding = checks.check_tensor("features", MATRIX, changed, 0.05)
    assert finding.measured == pytest.approx(0.3 / 3, rel=1e-3)
    assert finding.limit == 0.05
    assert "at [1, 2]" in finding.problem
    assert checks.check_tensor("features", MATRIX, changed, 0.11).passed


def test_a_stored_tensor_of_zeros_has_the_scale_one() -> None:
    zeros = np.zeros((2, 2), np.float32)
    assert checks.check_tensor("features", zeros, zeros, 0.0).passed
    assert checks.check_tensor("features", zeros, zeros + np.float32(0.5), 0.1).measured == 0.5


RNG = np.random.default_rng(3)
TILES = [RNG.normal(size=(3, 4, 5)).astype(np.float32) for _ in range(2)]
FLAT = np.concatenate([tile.ravel() for tile in TILES])
SAMPLED = (0, 7, 59, 60, 61, 119)


def expected(**changes: object) -> ExpectedPixels:
    facts: dict[str, object] = {
        "shapes": ((2, 3, 4, 5),),
        "over": "all",
        "mean": (float(FLAT.mean(dtype=np.float64)),),
        "std": (float(FLAT.std(dtype=np.float64)),),
        "samples": tuple((index, float(FLAT[index])) for index in SAMPLED),
    }
    return ExpectedPixels(**{**facts, **changes})  # type: ignore[arg-type]


def over_tiles(kind: Callable[..., object]) -> tuple[float, ...]:
    return tuple(float(kind(tile)) for tile in TILES)  # type: ignore[arg-type]


def over_channels(kind: Callable[..., object]) -> tuple[float, ...]:
    stacked = np.stack(TILES)
    return tuple(float(kind(stacked[:, channel])) for channel in range(3))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "pixels",
    [
        expected(),
        expected(shapes=((3, 4, 5), (3, 4, 5))),
        expected(over="tile", mean=over_tiles(np.mean), std=over_tiles(np.std)),
        expected(over="channel", mean=over_channels(np.mean), std=over_channels(np.std)),
    ],
    ids=["one shape", "a shape a tile", "statistics a tile", "statistics a channel"],
)
def test_equal_pixels(pixels: ExpectedPixels) -> None:
    findings = checks.check_pixels(pixels, TILES, PixelTolerance(1e-6, 1e-6))
    assert [finding.check for finding in findings] == ["pixels", "pixel mean", "pixel std"]
    assert all(finding.passed for finding in findings)


def test_one_pixel_that_differs_is_found_with_its_place() -> None:
    tiles = [tile.copy() for tile in TILES]
    tiles[1][0, 0, 1] += 0.01  # flat index 61
    samples, mean, std = checks.check_pixels(expected(), tiles, PixelTolerance(1e-4, 1e-1))
    assert samples.measured == pytest.approx(0.01, rel=1e-3)
    assert "at tile 1, channel 0, row 0, column 1" in samples.problem
    assert mean.passed
    assert std.passed


def test_a_pixel_that_is_no_sample_is_found_by_the_statistics() -> None:
    tiles = [tile.copy() for tile in TILES]
    tiles[0][2, 3, 3] += 1.0
    samples, mean, std = checks.check_pixels(expected(), tiles, PixelTolerance(1e-4, 1e-4))
    assert samples.passed
    assert not mean.passed
    assert not std.passed


def test_other_shapes_are_told_in_short() -> None:
    (finding,) = checks.check_pixels(expected(), TILES[:1], PixelTolerance(1, 1))
    assert finding.problem == "expected shapes 2 x [3, 4, 5], got 1 x [3, 4, 5]"


def test_pixels_that_are_not_finite() -> None:
    tiles = [np.full_like(tile, np.nan) for tile in TILES]
    assert not any(finding.passed for finding in checks.check_pixels(expected(), tiles, PixelTolerance(1e9, 1e9)))
