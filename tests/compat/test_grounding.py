"""Objects and boxes beside a text, in the words of the family's official code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from PIL import Image

from vlmplug.compat.swift.grounding import ObjectWriter, read_objects
from vlmplug.errors import ConversationError, MediaError
from vlmplug.media import Picture

DOG = {"caption": "the dog", "bbox": [100, 200, 300, 400], "bbox_type": "norm_1000"}


def written(texts: list[str], objects: Any, family: str = "internvl2", images: list[Any] | None = None) -> list[str]:
    return ObjectWriter(family, objects, images or []).write(texts)


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("internvl2", "Is <ref>the dog</ref> at <box>[[100, 200, 300, 400]]</box>?"),
        ("qwen_vl", "Is <ref>the dog</ref> at <box>(100,200),(300,400)</box>?"),
    ],
)
def test_words_of_families(family: str, expected: str) -> None:
    assert written(["Is <ref-object> at <bbox>?"], [DOG], family) == [expected]


def test_each_kind_of_tag_counts_by_itself_over_all_texts() -> None:
    cat = {**DOG, "caption": "the cat", "bbox": [1, 2, 3, 4]}
    assert written(["<ref-object>", "<bbox><ref-object>", "<bbox>"], [DOG, cat]) == [
        "<ref>the dog</ref>",
        "<box>[[100, 200, 300, 400]]</box><ref>the cat</ref>",
        "<box>[[1, 2, 3, 4]]</box>",
    ]


@pytest.mark.parametrize(
    ("bbox", "kind", "expected"),
    [
        ([0.1, 0.2, 0.5, 1.0], "norm_1", "<box>[[100, 200, 500, 1000]]</box>"),
        ([20, 10, 100, 50], "real", "<box>[[200, 200, 1000, 1000]]</box>"),
        ([[20, 10, 100, 50], [0, 0, 5, 5]], "real", "<box>[[200, 200, 1000, 1000]]</box><box>[[0, 0, 50, 100]]</box>"),
    ],
)
def test_boxes_in_thousandths_of_the_picture(bbox: list[Any], kind: str, expected: str) -> None:
    picture = Image.new("RGB", (100, 50))
    assert written(["<bbox>"], [{"bbox": bbox, "bbox_type": kind, "image": 0}], images=[picture]) == [expected]


def test_a_picture_that_was_looked_at_is_not_opened_again() -> None:
    images: list[Any] = [Image.new("RGB", (10, 10))]
    written(["<bbox>"], [{"bbox": [0, 0, 1, 1]}], images=images)
    assert isinstance(images[0], Picture)


def test_objects_as_json() -> None:
    assert read_objects(json.dumps([DOG])) == [DOG]
    assert read_objects(None) == []


@pytest.mark.parametrize("given", ["{", '"dog"', "[1]", {"caption": "dog"}, 3])
def test_what_is_no_list_of_objects(given: Any) -> None:
    with pytest.raises(ConversationError, match="objects is no"):
        read_objects(given)


@pytest.mark.parametrize(
    ("text", "change", "message"),
    [
        ("<bbox><bbox>", {}, "There are 1 objects, and more <bbox> tags"),
        ("<ref-object>", {"caption": None}, r"objects\[0\] has no caption"),
        ("<bbox>", {"bbox": [1, 2, 3]}, r"objects\[0\]: bbox is \[1, 2, 3\]"),
        ("<bbox>", {"bbox": None}, r"objects\[0\]: bbox is None"),
        ("<bbox>", {"bbox": ["1", 2, 3, 4]}, "bbox is"),
        ("<bbox>", {"bbox_type": "norm"}, "bbox_type is 'norm'"),
    ],
)
def test_objects_that_cannot_be_written(text: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConversationError, match=message):
        written([text], [{**DOG, **change}])


@pytest.mark.parametrize("image", [1, -1, None, "a"])
def test_a_picture_that_is_not_there(image: Any) -> None:
    with pytest.raises(MediaError, match="there is no picture"):
        written(["<bbox>"], [{"bbox": [0, 0, 1, 1], "image": image}], images=[Image.new("RGB", (9, 9))])


def test_families_without_words_for_objects() -> None:
    with pytest.raises(ConversationError, match="family glm4v have no words for objects"):
        written(["<bbox>"], [DOG], "glm4v")
