"""The shipped examples: what the generator writes, of sizes that bring tiles, from seeds of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.drawing import draw
from training.examples import FRAMES, PER_SECOND, find_clip, find_pair, find_scene, write_examples
from training.tiles import tiles_of
from vlmplug.clip import open_clip

SHIPPED = Path(__file__).parent.parent.parent.parent / "examples"
PICTURES = ("shapes.png", "pair_before.png", "pair_after.png")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    write_examples(folder)
    return folder


@pytest.mark.parametrize("name", PICTURES)
def test_the_shipped_pictures_are_the_generator_s(name: str, written: Path) -> None:
    assert np.array_equal(np.asarray(Image.open(SHIPPED / name)), np.asarray(Image.open(written / name)))


def test_the_shipped_readme_is_the_generator_s(written: Path) -> None:
    assert (SHIPPED / "README.md").read_text(encoding="utf-8") == (written / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("which", ["shipped", "written"])
def test_the_clip_shows_what_was_drawn(which: str, written: Path) -> None:
    shown = open_clip((SHIPPED if which == "shipped" else written) / "clip.mp4", "clip")
    assert (shown.frame_count, shown.fps) == (FRAMES, PER_SECOND)
    for frame, drawn in zip(shown.read(range(FRAMES)), find_clip().frames(FRAMES), strict=True):
        assert np.abs(np.asarray(frame, float) - np.asarray(draw(drawn), float)).mean() < 6


def test_the_files_are_small() -> None:
    assert sum((SHIPPED / name).stat().st_size for name in (*PICTURES, "clip.mp4")) < 100_000


def test_the_pictures_bring_four_tiles_and_a_thumbnail() -> None:
    pair = find_pair()
    assert [len(tiles_of(draw(scene))) for scene in (find_scene(), pair.first, pair.second)] == [5, 5, 5]


def test_the_scene_can_be_told_apart() -> None:
    items = find_scene().items
    assert len(items) == len({item.colour for item in items}) == len({item.shape for item in items}) == 4
