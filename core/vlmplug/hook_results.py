"""Whether hooks return what their specifications promise; each check names plugin, hook and what was expected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from vlmplug.errors import HookResultError
from vlmplug.model import EngineInput, FamilyModel, MediaBatch, MediaInput, MediaSpan, ModelSource
from vlmplug.prompt import GeneratedIds, MediaItem, MediaSlot, RenderedPrompt, Special, Text

T = TypeVar("T")


@dataclass(frozen=True)
class HookResults:
    """Checks the results of one call.

    - ``plugin``: owner that answered, with the wrappers around it. ``hook``: its name.
    """

    plugin: str
    hook: str

    def family_model(self, result: object, source: ModelSource) -> FamilyModel:
        """The result of ``load_model``.

        :raises HookResultError: it is no `FamilyModel`, or one of another model type or family.
        """
        model = self._typed(result, FamilyModel)
        for name in ("model_type", "family"):
            found, expected = getattr(model, name), getattr(source, name)
            self._require(found == expected, f"{name} is {found!r}", f"{expected!r}")
        self._require(_is_index(model.placeholder_id), f"placeholder_id is {model.placeholder_id!r}", "a token id")
        self._require(_all_ids(model.stop_ids), f"stop_ids is {model.stop_ids!r}", "a tuple of token ids")
        self._require(_is_size(model.context_length), f"context_length is {model.context_length!r}", "at least 1")
        return model

    def rendered_prompt(self, result: object, media: int) -> RenderedPrompt:
        """The result of ``render_prompt``.

        :param media: number of pictures and clips in the conversation.
        :raises HookResultError: it is no `RenderedPrompt`, holds something else than segments, or names a picture that
            the conversation does not have.
        """
        prompt = self._typed(result, RenderedPrompt)
        self._each(prompt.segments, Text | Special | GeneratedIds | MediaSlot, "segments")
        self._each(prompt.items, MediaItem, "items")
        for number, item in enumerate(prompt.items):
            self._require(
                _is_index(item.part) and item.part < media,
                f"items[{number}].part is {item.part!r}",
                f"0 to {media - 1}, because the conversation holds {media} pictures and clips",
            )
        return prompt

    def media_inputs(self, result: object, batch: MediaBatch) -> tuple[MediaInput, ...]:
        """The result of ``preprocess_media``.

        :raises HookResultError: it is no tuple with one `MediaInput` an item, or pixels are not uint8 [n, h, w, 3].
        """
        inputs = self._typed(result, tuple)
        expected = len(batch.items)
        self._require(len(inputs) == expected, f"it holds {len(inputs)} inputs", f"{expected}, one for each item")
        self._each(inputs, MediaInput, "inputs")
        for number, media_input in enumerate(inputs):
            self._pixels(media_input, f"inputs[{number}]")
        return inputs

    def engine_input(self, result: object, model: FamilyModel, inputs: Sequence[MediaInput]) -> EngineInput:
        """The result of ``inject_vision_tokens``.

        :raises HookResultError: ids that are no token ids; spans out of the prompt, out of order or overlapping, of
            another length than their input's tokens, or not one for each input; position ids of another length.
        """
        found = self._typed(result, EngineInput)
        size = len(found.input_ids)
        self._require(size > 0, "input_ids is empty", "at least one token id")
        self._ids(found.input_ids, model)
        count = len(found.media)
        self._require(count == len(inputs), f"media holds {count} inputs", f"the {len(inputs)} that were given")
        self._each(found.media, MediaInput, "media")
        self._each(found.spans, MediaSpan, "spans")
        self._spans(found)
        if found.position_ids is not None:
            positions = len(found.position_ids)
            self._require(positions == size, f"position_ids holds {positions} positions", f"{size}, one a token")
            self._require(_all_ids(found.position_ids), "position_ids holds something else than indices", "ints from 0")
        return found

    def _ids(self, ids: Sequence[int], model: FamilyModel) -> None:
        self._require(_all_ids(ids), "input_ids holds something else than token ids", "a tuple of ints from 0")
        vocabulary = model.text_config.get("vocab_size")
        if isinstance(vocabulary, int):
            largest = max(ids)
            self._require(largest < vocabulary, f"input_ids holds {largest}", f"ids below {vocabulary} (vocab_size)")

    def _spans(self, found: EngineInput) -> None:
        items = [span.item for span in found.spans]
        count = len(found.media)
        self._require(sorted(items) == list(range(count)), f"the spans take inputs {items}", f"each of {count} once")
        end = 0
        for number, span in enumerate(found.spans):
            where, tokens = f"spans[{number}]", found.media[span.item].tokens
            self._require(span.length == tokens, f"{where}.length is {span.length}", f"{tokens}, its input's tokens")
            self._require(
                span.start >= end, f"{where} starts at {span.start}", f"at least {end}, behind the one before"
            )
            end = span.start + span.length
            size = len(found.input_ids)
            self._require(end <= size, f"{where} ends at {end}", f"at most {size}, the length of the prompt")

    def _pixels(self, media_input: MediaInput, where: str) -> None:
        pixels: object = media_input.pixels
        self._require(isinstance(pixels, np.ndarray), f"{where}.pixels is {_kind(pixels)}", "a numpy array")
        array = media_input.pixels
        fits = array.ndim == 4 and array.shape[3] == 3 and array.size > 0
        self._require(array.dtype == np.uint8, f"{where}.pixels has the dtype {array.dtype}", "uint8")
        self._require(fits, f"{where}.pixels has the shape {list(array.shape)}", "[tiles, height, width, 3]")
        self._require(_is_size(media_input.tokens), f"{where}.tokens is {media_input.tokens!r}", "at least 1")

    def _typed(self, result: object, expected: type[T]) -> T:
        if isinstance(result, expected):
            return result
        raise self._error(f"it is {_kind(result)}", f"a {expected.__name__}")

    def _each(self, values: Sequence[object], expected: Any, name: str) -> None:
        self._require(isinstance(values, tuple), f"{name} is {_kind(values)}", "a tuple")
        for number in _wrong(values, lambda value: isinstance(value, expected)):
            raise self._error(f"{name}[{number}] is {_kind(values[number])}", _names(expected))

    def _require(self, holds: bool, found: str, expected: str) -> None:
        if not holds:
            raise self._error(found, expected)

    def _error(self, found: str, expected: str) -> HookResultError:
        return HookResultError(
            f"{self.hook} of plugin {self.plugin} returned a wrong result: {found}; expected {expected}.",
            "Report it to the plugin's authors.",
        )


def _wrong(values: Sequence[object], holds: Callable[[object], bool]) -> Iterator[int]:
    return (number for number, value in enumerate(values) if not holds(value))


def _all_ids(values: object) -> bool:
    """Whether it is a tuple of plain ints from 0; set operations, because prompts have thousands of them."""
    if not isinstance(values, tuple):
        return False
    return not values or (set(map(type, values)) == {int} and min(values) >= 0)


def _is_index(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_size(value: object) -> bool:
    return type(value) is int and value >= 1


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _names(expected: Any) -> str:
    return " or ".join(part.__name__ for part in getattr(expected, "__args__", (expected,)))
