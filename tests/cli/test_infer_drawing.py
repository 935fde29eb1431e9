"""``infer --draw``: a picture with the places of the answer, and what is refused before a model is loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cli.conftest import Run
from vlmplug.cli.infer_drawing import Drawing
from vlmplug.conversation import Conversation, user_message
from vlmplug.errors import OptionError
from vlmplug.grounding import Box
from vlmplug.pipeline import Request, open_preparer
from vlmplug.sampling import Answer

CHECKPOINT = Path(__file__).parents[1] / "golden" / "qwen_vl" / "tiny"


@pytest.fixture
def flags(picture: Path) -> tuple[object, ...]:
    model = ("--model-type", "qwen-vl-chat", "--model-dir", CHECKPOINT, "--device", "cpu")
    return (*model, "--temperature", "0", "--image", picture, "--max-new-tokens", "3")


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_picture_is_written_beside_the_answer(
    more: tuple[str, ...], run: Run, flags: tuple[object, ...], tmp_path: Path
) -> None:
    ran = run("infer", *flags, *more, "--draw", tmp_path / "out.png", "Where?")
    assert ran.code == 0
    assert f"note: {tmp_path / 'out.png'} shows 0 places" in ran.err.splitlines()
    assert Image.open(tmp_path / "out.png").size == (224, 112)
    if more:
        assert ran.json["boxes"] == []


def answer(*boxes: Box) -> Answer:
    return Answer("", (), "stop", 1, 0, boxes=boxes)


def drawing(file: Path) -> Drawing:
    pictures: Any = (Image.new("RGB", (50, 40), "red"), Image.new("RGB", (90, 80), "white"))
    request = Request(Conversation((user_message("Where?", pictures),)))
    return Drawing(file, open_preparer("qwen-vl-chat", CHECKPOINT), request)


@pytest.mark.parametrize("suffix", ["png", "jpg", "JPEG", "webp"])
def test_the_last_picture_shows_the_places(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"out.{suffix}"
    said = drawing(file).draw(answer(Box("", ((10, 10), (50, 50)))))
    assert said == f"{file} shows 1 place"
    drawn = Image.open(file).convert("RGB")
    assert drawn.size == (90, 80)
    assert min(drawn.getpixel((30, 10))) < 200 and min(drawn.getpixel((30, 30))) > 240  # type: ignore[type-var, arg-type]


def test_a_file_that_came_meanwhile_stays(tmp_path: Path) -> None:
    made = drawing(tmp_path / "out.png")
    (tmp_path / "out.png").write_bytes(b"precious")
    with pytest.raises(OptionError, match="File exists"):
        made.draw(answer())
    assert (tmp_path / "out.png").read_bytes() == b"precious"


@pytest.mark.usefixtures("unloadable")
class TestRefused:
    def test_a_folder_that_is_not_there(self, run: Run, flags: tuple[object, ...], tmp_path: Path) -> None:
        ran = run("infer", *flags, "--draw", tmp_path / "missing" / "out.png", "Where?")
        assert (ran.code, ran.out) == (1, "")
        assert f"there is no folder {tmp_path / 'missing'}" in ran.err

    def test_a_folder_that_cannot_be_written_to(
        self, run: Run, flags: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK or Path(path) != tmp_path)
        ran = run("infer", *flags, "--draw", tmp_path / "out.png", "Where?")
        assert ran.code == 1 and "cannot be written to" in ran.err

    @pytest.mark.parametrize("name", ["picture.png", "other.png"])
    def test_a_file_that_exists_and_be_it_the_picture_itself(
        self, name: str, run: Run, flags: tuple[object, ...], picture: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "other.png").write_bytes(b"precious")
        before = (tmp_path / name).read_bytes()
        ran = run("infer", *flags, "--draw", tmp_path / name, "Where?")
        assert (ran.code, ran.out) == (1, "")
        assert "the file exists" in ran.err
        assert (tmp_path / name).read_bytes() == before

    @pytest.mark.parametrize("name", ["out", "out.txt", "out.pngg"])
    def test_names_of_no_format(self, name: str, run: Run, flags: tuple[object, ...], tmp_path: Path) -> None:
        ran = run("infer", *flags, "--draw", tmp_path / name, "Where?")
        assert (ran.code, ran.out) == (1, "")
        assert "no known format of pictures" in ran.err

    def test_a_question_without_a_picture(self, run: Run, tmp_path: Path) -> None:
        model = ("--model-type", "qwen-vl-chat", "--model-dir", CHECKPOINT)
        ran = run("infer", *model, "--draw", tmp_path / "out.png", "Where?")
        assert ran.code == 1 and "no picture to draw on" in ran.err

    def test_a_model_that_names_no_places(
        self, run: Run, model: tuple[str, ...], picture: Path, tmp_path: Path
    ) -> None:
        ran = run("infer", *model, "--image", picture, "--draw", tmp_path / "out.png", "Where?")
        assert ran.code == 1 and "internvl2-2b names no places" in ran.err

    def test_a_dialogue_and_a_file_of_questions(self, run: Run, tmp_path: Path) -> None:
        for more in ((), ("--val-dataset", tmp_path / "rows.jsonl")):
            ran = run("infer", "--draw", tmp_path / "out.png", *more)
            assert ran.code == 1 and "--draw goes with one question" in ran.err
