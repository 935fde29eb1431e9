"""Objects and boxes that a request names beside its text, written as the official code of a family writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlmplug.errors import ConversationError, MediaError
from vlmplug.media import Picture, open_picture
from vlmplug.media_policy import MediaPolicy
from vlmplug.number import is_number

_TAGS = re.compile(r"<ref-object>|<bbox>")
_SCALE = 1000
_BOX_TYPES = ("real", "norm_1000", "norm_1")


@dataclass(frozen=True)
class Grounding:
    """How a family writes objects: its words for one, and for a box in thousandths of the picture."""

    reference: Callable[[str], str]
    box: Callable[[Sequence[int]], str]


def _ref(caption: str) -> str:
    return f"<ref>{caption}</ref>"


def _list_box(box: Sequence[int]) -> str:
    return f"<box>[[{', '.join(map(str, box))}]]</box>"


def _pair_box(box: Sequence[int]) -> str:
    return f"<box>({box[0]},{box[1]}),({box[2]},{box[3]})</box>"


#: By family; sources: the README of OpenGVLab/InternVL2 on Hugging Face, the README of Qwen/Qwen-VL-Chat.
GROUNDINGS: Mapping[str, Grounding] = {
    "internvl2": Grounding(_ref, _list_box),
    "qwen_vl": Grounding(_ref, _pair_box),
}


def read_objects(given: Any) -> list[Mapping[str, Any]]:
    """Objects of a request: a list, or the same as JSON.

    :raises ConversationError: it is neither.
    """
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except json.JSONDecodeError as error:
            raise ConversationError(f"objects is no JSON: {error}.", _FIX) from error
    if given is None:
        return []
    if not isinstance(given, list | tuple) or not all(isinstance(entry, Mapping) for entry in given):
        raise ConversationError("objects is no list of objects.", _FIX)
    return list(given)


_FIX = 'Give [{"caption": "the dog", "bbox": [0, 0, 500, 500], "bbox_type": "norm_1000", "image": 0}].'


class ObjectWriter:
    """Writes objects into texts in place of ``<ref-object>`` and ``<bbox>``, each in order over all texts.

    :param family: whose words are used. :param images: pictures of the request, for boxes in pixels; those that are
        looked at are replaced by opened ones. :param policy: which of them may be read.
    :raises ConversationError: the family has no words for objects.
    """

    def __init__(
        self, family: str, objects: Sequence[Mapping[str, Any]], images: list[Any], policy: MediaPolicy | None = None
    ) -> None:
        if family not in GROUNDINGS:
            raise ConversationError(
                f"The official prompts of family {family} have no words for objects.", "Write them into the query."
            )
        self._words, self._objects, self._images, self._policy = GROUNDINGS[family], objects, images, policy
        self._next = {"<ref-object>": 0, "<bbox>": 0}

    def write(self, texts: Sequence[str]) -> list[str]:
        """The texts with the objects in them.

        :raises ConversationError: more tags than objects, or an object without what its tag asks for.
        :raises MediaError: a picture that cannot be read, or is not there.
        """
        return [_TAGS.sub(lambda match: self._written(match.group()), text) for text in texts]

    def _written(self, tag: str) -> str:
        number = self._next[tag]
        self._next[tag] += 1
        if number >= len(self._objects):
            raise ConversationError(f"There are {len(self._objects)} objects, and more {tag} tags.", _FIX)
        entry = self._objects[number]
        if tag == "<ref-object>":
            return self._words.reference(_caption(entry, number))
        return "".join(self._words.box(self._scaled(box, entry, number)) for box in _boxes(entry, number))

    def _scaled(self, box: Sequence[float], entry: Mapping[str, Any], number: int) -> list[int]:
        kind = entry.get("bbox_type", "real")
        if kind not in _BOX_TYPES:
            problem = f"objects[{number}]: bbox_type is {kind!r}."
            raise ConversationError(problem, f"Use one of {', '.join(_BOX_TYPES)}.")
        if kind == "real":
            width, height = self._size(entry.get("image", 0), number)
        else:
            width = height = 1 if kind == "norm_1" else _SCALE
        sides = (width, height, width, height)
        return [int(value / side * _SCALE) for value, side in zip(box, sides, strict=True)]

    def _size(self, index: Any, number: int) -> tuple[int, int]:
        if not isinstance(index, int) or not 0 <= index < len(self._images):
            raise MediaError(f"objects[{number}]: there is no picture {index!r}.", "Count pictures from 0.")
        source = self._images[index]
        if not isinstance(source, Picture):
            source = self._images[index] = open_picture(source, f"images[{index}]", self._policy)
        return source.image.size


def _caption(entry: Mapping[str, Any], number: int) -> str:
    caption = entry.get("caption")
    if not isinstance(caption, str):
        raise ConversationError(f"objects[{number}] has no caption.", _FIX)
    return caption


def _boxes(entry: Mapping[str, Any], number: int) -> Iterator[Sequence[float]]:
    """One box, or several."""
    given = entry.get("bbox")
    rows = given if isinstance(given, list | tuple) and given and isinstance(given[0], list | tuple) else [given]
    for row in rows:
        if not isinstance(row, list | tuple) or len(row) != 4 or not all(is_number(value) for value in row):
            raise ConversationError(f"objects[{number}]: bbox is {row!r}.", "Give left, top, right, bottom.")
        yield row
