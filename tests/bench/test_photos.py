"""Picture files for measurements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlmplug.bench.photos import QUALITY, photos

SIZES = [(64, 48), (32, 80), (64, 48)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return photos(tmp_path_factory.mktemp("photos"), SIZES, seed=3)


def test_one_file_a_size_in_their_order(made: list[Path]) -> None:
    opened = [Image.open(file) for file in made]
    assert [(picture.format, picture.mode, picture.size) for picture in opened] == [
        ("JPEG", "RGB", size) for size in SIZES
    ]


def test_each_is_another_picture(made: list[Path]) -> None:
    first, third = (np.asarray(Image.open(made[number]), np.int32) for number in (0, 2))
    assert np.abs(first - third).mean() > 5


def test_the_seed_decides(made: list[Path], tmp_path: Path) -> None:
    for name in ("same", "other"):
        (tmp_path / name).mkdir()
    same, other = photos(tmp_path / "same", SIZES, seed=3), photos(tmp_path / "other", SIZES, seed=4)
    assert [file.read_bytes() for file in same] == [file.read_bytes() for file in made]
    assert same[0].read_bytes() != other[0].read_bytes()


def test_files_that_are_there_are_left_alone(tmp_path: Path) -> None:
    (kept,) = photos(tmp_path, SIZES[:1])
    kept.write_bytes(b"mine")
    assert photos(tmp_path, SIZES[:1]) == [kept]
    assert kept.read_bytes() == b"mine"


def test_they_are_neither_flat_nor_noise(tmp_path: Path) -> None:
    (file,) = photos(tmp_path, [(640, 480)])
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.jpg", quality=QUALITY)
    Image.linear_gradient("L").resize((640, 480)).convert("RGB").save(tmp_path / "flat.jpg", quality=QUALITY)
    flat, most = ((tmp_path / name).stat().st_size for name in ("flat.jpg", "noise.jpg"))
    assert 4 * flat < file.stat().st_size < 0.8 * most
