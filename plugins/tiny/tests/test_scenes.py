"""Scenes, pairs and clips: reproducible, never ambiguous, and drawn as described."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from PIL import Image

from training.clips import DIRECTIONS, EVENTS, Clip, random_clip
from training.drawing import draw, shaded
from training.pairs import CHANGES, Pair, random_pair
from training.scenes import (
    BACKGROUNDS,
    GRID,
    MOST_ITEMS,
    Canvas,
    Item,
    Scene,
    overlap,
    random_canvas,
    random_scene,
)
from training.tiles import TILE, tiles_of

SQUARE = Canvas(112, 112)
CANVASES = [SQUARE, Canvas(224, 112), Canvas(100, 180), Canvas(250, 240)]


def scenes(count: int, canvas: Canvas = SQUARE) -> list[Scene]:
    return [random_scene(Random(f"test/{n}"), canvas) for n in range(count)]


def pairs(count: int) -> list[Pair]:
    return [random_pair(Random(f"test/{n}"), SQUARE) for n in range(count)]


def clips(count: int) -> list[Clip]:
    return [random_clip(Random(f"test/{n}"), SQUARE) for n in range(count)]


def test_a_seed_always_gives_the_same_scene_and_pixels() -> None:
    for one, other in zip(scenes(20), scenes(20), strict=True):
        assert one == other
        assert np.array_equal(draw(one), draw(other))


def test_different_seeds_give_different_scenes() -> None:
    filled = [scene.items for scene in scenes(200) if scene.items]
    assert len(set(filled)) == len(filled)


@pytest.mark.parametrize("canvas", CANVASES, ids=lambda canvas: f"{canvas.width}x{canvas.height}")
def test_items_lie_inside_apart_and_clear_of_borders(canvas: Canvas) -> None:
    for scene in scenes(100, canvas):
        for number, item in enumerate(scene.items):
            reach_x, reach_y = (item.size / 2 * canvas.short / side for side in (canvas.width, canvas.height))
            assert reach_x <= item.x <= 1 - reach_x
            assert reach_y <= item.y <= 1 - reach_y
            for border in (1 / GRID, 2 / GRID):
                assert min(abs(item.x - border), abs(item.y - border)) > 0.02
            assert not any(overlap(item, other, canvas) for other in scene.items[:number])


def test_a_region_holds_one_item_and_items_come_row_by_row() -> None:
    for scene in scenes(200):
        cells = [item.cell for item in scene.items]
        assert cells == sorted(set(cells))


def test_every_number_of_items_occurs() -> None:
    assert {len(scene.items) for scene in scenes(300)} == set(range(MOST_ITEMS + 1))


def test_an_item_is_drawn_where_and_as_described() -> None:
    for scene in scenes(60):
        picture = np.asarray(draw(Scene(scene.canvas, scene.background, scene.items)))
        for item in scene.items:
            pixel = picture[int(item.y * 112), int(item.x * 112)]
            assert tuple(pixel) == shaded(item)
        assert tuple(picture[0, 0]) == BACKGROUNDS[scene.background]


@pytest.mark.parametrize("strength", [0.0, 3.0, 8.0])
def test_noise_has_the_strength_asked_for(strength: float) -> None:
    plain = np.asarray(draw(Scene(SQUARE, "gray", ())), float)
    noisy = np.asarray(draw(Scene(SQUARE, "gray", (), 5, strength)), float)
    assert np.std(noisy - plain) == pytest.approx(strength, abs=0.4)


def test_every_change_occurs() -> None:
    assert {pair.change for pair in pairs(200)} == set(CHANGES)


def differing(pair: Pair) -> tuple[set[Item], set[Item]]:
    first, second = set(pair.first.items), set(pair.second.items)
    return first - second, second - first


def test_a_pair_differs_in_what_it_names_and_in_nothing_else() -> None:
    fields = {"colour": {"colour"}, "shape": {"shape"}, "moved": {"x", "y"}}
    for pair in pairs(300):
        gone, come = differing(pair)
        assert (pair.first.background, pair.first.canvas) == (pair.second.background, pair.second.canvas)
        if pair.change in fields:
            (before,), (after,) = gone, come
            names = {name for name in Item.__slots__ if getattr(before, name) != getattr(after, name)}
            assert names == fields[pair.change]
            assert (before, after) == (pair.before, pair.after)
        else:
            sizes = {"added": {(0, 1)}, "removed": {(1, 0)}, "same": {(0, 0)}}
            allowed = sizes.get(pair.change, {(n, 0) for n in range(2, 6)} | {(0, n) for n in range(2, 6)})
            assert (len(gone), len(come)) in allowed


def test_a_moved_item_changes_its_region_and_cannot_be_mistaken() -> None:
    moved = [pair for pair in pairs(300) if pair.change == "moved"]
    assert moved
    for pair in moved:
        assert pair.before and pair.after and pair.before.cell != pair.after.cell
        assert pair.first.count(pair.before.colour, pair.before.shape) == 1


def test_every_event_occurs() -> None:
    assert {clip.event for clip in clips(200)} == set(EVENTS)


def test_the_actor_does_what_the_event_says_and_the_rest_keeps_still() -> None:
    for clip in clips(200):
        frames = clip.frames()
        assert len(frames) == 8
        assert all(set(clip.still.items) <= set(frame.items) for frame in frames)
        first, last = clip.actor_at(0), clip.actor_at(1)
        assert (first is not None, last is not None) == (clip.event != "appears", clip.event != "disappears")
        if first and last:
            assert_event(clip.event, first, last)


def assert_event(event: str, first: Item, last: Item) -> None:
    dx, dy = DIRECTIONS.get(event, (0, 0))
    assert (np.sign(last.x - first.x), np.sign(last.y - first.y)) == (dx, dy)
    assert np.sign(last.size - first.size) == {"grows": 1, "shrinks": -1}.get(event, 0)
    assert (last.colour != first.colour) == (event == "turns")


def test_a_sudden_event_shows_both_states() -> None:
    for clip in clips(300):
        if clip.event in ("appears", "disappears", "turns"):
            assert len({frame.items for frame in clip.frames()}) == 2


def test_no_still_item_looks_like_the_actor_or_touches_it() -> None:
    for clip in clips(200):
        for frame in clip.frames(16):
            assert not any(overlap(a, b, SQUARE) for i, a in enumerate(frame.items) for b in frame.items[:i])
        assert not {item.name for item in clip.still.items} & {clip.actor.name, clip.finish.name}


def tiles_in(canvas: Canvas) -> int:
    return len(tiles_of(Image.new("RGB", (canvas.width, canvas.height))))


@pytest.mark.parametrize(
    ("size", "tiles"),
    [((112, 112), 1), ((150, 150), 1), ((160, 160), 5), ((640, 480), 5), ((225, 112), 3), ((900, 200), 5)],
)
def test_a_large_or_long_picture_is_cut_and_shown_whole(size: tuple[int, int], tiles: int) -> None:
    assert tiles_in(Canvas(*size)) == tiles


def test_canvases_are_of_one_tile_or_of_several_as_asked() -> None:
    rng = Random(3)
    single = [random_canvas(rng, TILE, False) for _ in range(200)]
    several = [random_canvas(rng, TILE, True) for _ in range(200)]
    assert np.mean([tiles_in(canvas) == 1 for canvas in single]) > 0.95
    assert np.mean([tiles_in(canvas) > 1 for canvas in several]) > 0.8
