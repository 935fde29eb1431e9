"""A reference set is read whole, or refused with the file and the key that break format 1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.verify.conftest import Edit
from vlmplug.errors import GoldenSetError
from vlmplug.verify.goldens import ChosenFrames, DrawnPicture, DrawnVideo, StoredPicture
from vlmplug.verify.set_reader import read_golden_set

#: The complete sets of all six families, where they are at hand.
COMPLETE = Path(__file__).parents[3] / "shared" / "golden"
FAMILIES = ("deepseek_vl", "glm4v", "internvl2", "minicpm_v", "qwen_vl", "xcomposer2_5")


def test_the_set_in_the_tree(golden: Path) -> None:
    golden_set = read_golden_set(golden)
    assert (golden_set.family, golden_set.placement_default, golden_set.image_tag) == ("internvl2", "inline", "<image>")
    assert golden_set.checkpoints["tiny"].stands_for == "internvl2-2b"
    assert golden_set.checkpoints["tiny"].special_ids["img_context"] == 569
    assert golden_set.tolerance.pixel_abs == 1e-4
    assert isinstance(golden_set.pictures["im0"], DrawnPicture)
    assert len(golden_set.preprocess) == 90
    assert len(golden_set.video) == 12
    assert len(golden_set.prompts) == 96
    case = golden_set.prompts["tiny", "one_image_tag"]
    assert case.media_ids == ("im0",)
    assert case.expect.media[0].start == 127
    assert golden_set.forward[0].prompt == "one_image_tag"


def test_a_stored_picture_has_tolerances_of_its_own(golden: Path) -> None:
    (case,) = (case for case in read_golden_set(golden).preprocess if isinstance(case.picture, StoredPicture))
    assert (case.expect.pixel_abs, case.expect.statistics_abs) == (0.05, 0.002)


@pytest.mark.skipif(not COMPLETE.is_dir(), reason="the complete sets are not here")
@pytest.mark.parametrize("family", FAMILIES)
def test_the_sets_of_all_families(family: str) -> None:
    golden_set = read_golden_set(COMPLETE / family)
    assert golden_set.family == family
    assert golden_set.prompts
    assert golden_set.forward


@pytest.mark.skipif(not COMPLETE.is_dir(), reason="the complete sets are not here")
def test_what_only_some_families_have() -> None:
    sets = {family: read_golden_set(COMPLETE / family) for family in ("glm4v", "minicpm_v", "qwen_vl", "xcomposer2_5")}
    assert any(message.role == "observation" for c in sets["glm4v"].prompts.values() for message in c.messages)
    assert any(message.extras for case in sets["glm4v"].prompts.values() for message in case.messages)
    assert any(case.expect.position_ids for case in sets["glm4v"].prompts.values())
    assert {case.variant for case in sets["minicpm_v"].forward} == {None, "official_batched"}
    assert isinstance(sets["minicpm_v"].videos["v0"], ChosenFrames)
    assert any(message.content is None for case in sets["qwen_vl"].prompts.values() for message in case.messages)
    assert isinstance(sets["xcomposer2_5"].videos["v0"], DrawnVideo)
    assert any(case.feature_rows for case in sets["xcomposer2_5"].forward)
    assert -1 in sets["xcomposer2_5"].prompts["tiny", "one_image"].expect.input_ids  # type: ignore[operator]
    # `same_pixels_as` has been followed.
    assert sum(case.expect.pixels is None for case in sets["xcomposer2_5"].preprocess) == 1


def first_case(content: Any) -> Any:
    return content["cases"][0]


def case_with_media(content: Any) -> Any:
    return next(case for case in content["cases"] if case["expect"]["media"])


BROKEN: tuple[tuple[str, Callable[[Any], object], str], ...] = (
    ("set.json", lambda c: c.update(format=2), "set.json: format: 2 is not 1"),
    ("set.json", lambda c: c.update(colour="blue"), "set.json: the file: unknown key 'colour'"),
    ("set.json", lambda c: c.pop("image_tag"), "the key 'image_tag' is missing"),
    ("set.json", lambda c: c["made_by"].pop("commit"), "set.json: made_by: the key 'commit' is missing"),
    ("set.json", lambda c: c["tolerance"].update(pixel_abs="small"), "tolerance.pixel_abs: 'small' is not a number"),
    ("set.json", lambda c: c.update(placement_default="beside"), "placement_default: 'beside' is not one of"),
    ("set.json", lambda c: c["checkpoints"]["tiny"].update(path="../x"), "checkpoints.tiny.path: '../x' leads out"),
    ("set.json", lambda c: c["checkpoints"]["tiny"].update(path="none"), "none/config.json is missing"),
    ("set.json", lambda c: c["images"]["im0"].update(mode="HSV"), "images.im0.mode: 'HSV' is not one of"),
    ("set.json", lambda c: c["images"]["im0"]["recipe"].pop("G"), "images.im0.recipe: the key 'G' is missing"),
    ("set.json", lambda c: c["images"]["im0"]["recipe"].update(R=[1, 2]), "recipe.R: 2 numbers where 3 were expected"),
    ("set.json", lambda c: c["images"]["im0"].update(width=0), "images.im0.width: 0 is not a whole number from 1"),
    ("set.json", lambda c: c["videos"].update(v={"frames": ["im99"], "fps": None}), "no picture 'im99'"),
    ("preprocess.json", lambda c: first_case(c).update(speed=1), "cases[0]: unknown key 'speed'"),
    ("preprocess.json", lambda c: first_case(c)["options"].update(maxnum=1), "cases[0].options: unknown key 'maxnum'"),
    ("preprocess.json", lambda c: first_case(c)["expect"].update(grid=[1]), "expect.grid: 1 numbers where 2"),
    ("preprocess.json", lambda c: first_case(c).update(id=c["cases"][1]["id"]), "is there twice"),
    ("preprocess.json", lambda c: first_case(c)["expect"]["extra"].update(same_pixels_as="x"), "there is no case 'x'"),
    ("preprocess.json", lambda c: c["video"][0].update(n_frames=0), "video[0].n_frames: 0 is not"),
    ("preprocess.json", lambda c: first_case(c)["expect"].update(tokens=None), "without tiles, tokens or sizes"),
    ("preprocess.json", lambda c: c["video"][0]["expect"].update(indices=None), "defined, but without indices"),
    ("prompts.json", lambda c: first_case(c).update(checkpoint="huge"), "there is no checkpoint 'huge'"),
    ("prompts.json", lambda c: c["cases"].append(first_case(c)), "is there twice"),
    ("prompts.json", lambda c: first_case(c)["messages"][0].update(role="robot"), "role: 'robot' is not one of"),
    ("prompts.json", lambda c: first_case(c)["options"].update(placement="above"), "placement: 'above' is not one of"),
    ("prompts.json", lambda c: first_case(c)["expect"].update(prompt=None), "defined, but without prompt or ids"),
    ("prompts.json", lambda c: case_with_media(c)["expect"]["media"][0].update(start=9999), "lies outside of the ids"),
    ("prompts.json", lambda c: case_with_media(c)["expect"]["input_ids"].append(-2), "input_ids: not every value"),
    ("forward.json", lambda c: first_case(c).update(prompt="nothing"), "there is no such prompt"),
    ("forward.json", lambda c: first_case(c).update(logits="logits.none"), "there is no tensor 'logits.none'"),
    ("forward.json", lambda c: first_case(c)["features"].append("x"), "features for"),
    ("forward.json", lambda c: c["tensors"].update(extra=[1]), "differ in the tensor 'extra'"),
)


@pytest.mark.parametrize(("file", "change", "says"), BROKEN, ids=[f"{b[0][:-5]}: {b[2][:40]}" for b in BROKEN])
def test_what_breaks_the_format(file: str, change: Callable[[Any], object], says: str, edited: Edit) -> None:
    with pytest.raises(GoldenSetError) as caught:
        read_golden_set(edited(file, change))
    assert says in caught.value.problem
    assert caught.value.problem.startswith((file, "set.json", "forward.safetensors"))


@pytest.mark.parametrize("file", ["set.json", "preprocess.json", "prompts.json", "forward.json", "forward.safetensors"])
def test_a_missing_file(file: str, edited: Edit) -> None:
    folder = edited("set.json", lambda content: None)
    (folder / file).unlink()
    with pytest.raises(GoldenSetError, match=file):
        read_golden_set(folder)


@pytest.mark.parametrize("file", ["forward.safetensors", "tiny/model.safetensors"])
def test_a_file_that_was_cut_off_is_a_fault_of_the_set(file: str, edited: Edit) -> None:
    path = edited("set.json", lambda content: None) / file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(GoldenSetError, match="ends inside of"):
        read_golden_set(path.parents[file.count("/")])


def test_cases_of_a_checkpoint_without_weights(edited: Edit) -> None:
    folder = edited("set.json", lambda content: None)
    (folder / "tiny/model.safetensors").unlink()
    with pytest.raises(GoldenSetError, match="tiny has cases, but no weights"):
        read_golden_set(folder)


def test_a_picture_that_is_not_there(edited: Edit) -> None:
    folder = edited("set.json", lambda content: None)
    (folder / "exif.jpg").unlink()
    with pytest.raises(GoldenSetError, match=r"the picture exif\.jpg is missing"):
        read_golden_set(folder)


def test_free_form_parts_may_hold_anything(edited: Edit) -> None:
    edited("preprocess.json", lambda c: (first_case(c)["settings"].update(x=1), c["extra"].update(y=[])))
    edited("forward.json", lambda c: first_case(c)["extra"].update(z="free"))
    folder = edited("set.json", lambda c: c["checkpoints"]["tiny"]["special_ids"].update(new=5))
    assert read_golden_set(folder).checkpoints["tiny"].special_ids["new"] == 5
