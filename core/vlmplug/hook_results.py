"""Whether hooks return what their specifications promise; each check names plugin, hook and what was expected."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar

import numpy as np

from vlmplug import result_rules as rules
from vlmplug.errors import HookResultError
from vlmplug.model import (
    EngineInput,
    FamilyModel,
    LowRank,
    MediaBatch,
    MediaInput,
    MediaSpan,
    ModelSource,
    TowerSpec,
)
from vlmplug.number import is_number
from vlmplug.parts.spans import SlotFormat
from vlmplug.prompt import GeneratedIds, MediaItem, MediaSlot, RenderedPrompt, Special, Text
from vlmplug.sampling import SamplingDefaults
from vlmplug.short_form import short, short_error
from vlmplug.tokenizer import Tokenizer

T = TypeVar("T")
P = ParamSpec("P")

_DTYPES = ("bfloat16", "float16", "float32")
_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def _total(
    check: Callable[Concatenate[HookResults, object, P], T],
) -> Callable[Concatenate[HookResults, object, P], T]:
    """The same check, for results that cannot even be looked at: properties and methods of theirs may fail."""

    def total(results: HookResults, result: object, /, *arguments: P.args, **named: P.kwargs) -> T:
        try:
            return check(results, result, *arguments, **named)
        except HookResultError:
            raise
        except Exception as error:  # the plugin's classes, not ours
            raise results.error(f"it cannot be read ({short_error(error)})", "plain values") from error

    return functools.update_wrapper(total, check)


@dataclass(frozen=True)
class HookResults:
    """Checks the results of one plugin's hook."""

    plugin: str
    hook: str

    @_total
    def family_model(self, result: object, source: ModelSource) -> FamilyModel:
        """The result of ``load_model``.

        :raises HookResultError: it is no `FamilyModel`, one of another model type or family, or one of its fields is
            not what `FamilyModel` says.
        """
        model = self._typed(result, FamilyModel)
        for name in ("model_type", "family"):
            found, expected = getattr(model, name), getattr(source, name)
            self._require(found == expected, f"{name} is {short(found)}", f"{expected!r}")
        self._field("folder", model.folder, isinstance(model.folder, Path), "a Path")
        self._field("tokenizer", model.tokenizer, isinstance(model.tokenizer, Tokenizer), "a Tokenizer")
        self._data("text_config", model.text_config)
        vocabulary = model.text_config.get("vocab_size")
        self._field("text_config['vocab_size']", vocabulary, rules.is_size(vocabulary), "at least 1")
        self._import_path("weight_route", model.weight_route)
        self._tower(model.tower)
        self._field("stop_ids", model.stop_ids, rules.are_indices(model.stop_ids), "a tuple of token ids")
        fits = rules.is_index(model.placeholder_id) and model.placeholder_id < model.text_config["vocab_size"]
        self._field("placeholder_id", model.placeholder_id, fits, f"a token id below {vocabulary} (vocab_size)")
        self._field("context_length", model.context_length, rules.is_size(model.context_length), "at least 1")
        self._field("dtype", model.dtype, model.dtype in _DTYPES, f"one of {', '.join(_DTYPES)}")
        self._field("sampling", model.sampling, isinstance(model.sampling, SamplingDefaults), "SamplingDefaults")
        self._particulars(model)
        return model

    @_total
    def rendered_prompt(self, result: object, media: int) -> RenderedPrompt:
        """The result of ``render_prompt``.

        :param media: number of pictures and clips in the conversation.
        :raises HookResultError: it is no `RenderedPrompt`, holds something else than segments, names a picture that
            the conversation does not have, or leaves one out.
        """
        prompt = self._typed(result, RenderedPrompt)
        self._each(prompt.segments, Text | Special | GeneratedIds | MediaSlot, "segments")
        for number, segment in enumerate(prompt.segments):
            self._segment(segment, f"segments[{number}]")
        for number, item in enumerate(prompt.items):
            self._item(item, f"items[{number}]", media)
        placed = {item.part for item in prompt.items}
        left_out: object = prompt.left_out
        self._field("left_out", left_out, isinstance(left_out, frozenset), "a frozenset of numbers")
        for part in sorted(set(range(media)) - prompt.left_out):
            self._require(part in placed, f"it leaves out picture or clip {part + 1}", f"a slot for each of {media}")
        return prompt

    @_total
    def media_inputs(self, result: object, batch: MediaBatch) -> tuple[MediaInput, ...]:
        """The result of ``preprocess_media``.

        :raises HookResultError: it is no tuple with one `MediaInput` an item, pixels are not uint8 [n, h, w, 3], or
            another field is not what `MediaInput` says.
        """
        inputs = self._typed(result, tuple)
        expected = len(batch.items)
        self._require(len(inputs) == expected, f"it holds {len(inputs)} inputs", f"{expected}, one for each item")
        self._each(inputs, MediaInput, "inputs")
        for number, media_input in enumerate(inputs):
            self._input(media_input, f"inputs[{number}]")
        return inputs

    @_total
    def engine_input(self, result: object, model: FamilyModel, inputs: Sequence[MediaInput]) -> EngineInput:
        """The result of ``inject_vision_tokens``.

        :raises HookResultError: ids that are no token ids; spans out of the prompt, out of order or overlapping, of
            another length than their input's tokens, without the placeholder, or not one for each input; position ids
            of another length.
        """
        found = self._typed(result, EngineInput)
        self._require(rules.are_indices(found.input_ids), "input_ids holds something else than token ids", "a tuple")
        size = len(found.input_ids)
        self._require(size > 0, "input_ids is empty", "at least one token id")
        largest, vocabulary = max(found.input_ids), model.text_config["vocab_size"]
        self._require(largest < vocabulary, f"input_ids holds {largest}", f"ids below {vocabulary} (vocab_size)")
        self._each(found.media, MediaInput, "media")
        count = len(found.media)
        self._require(count == len(inputs), f"media holds {count} inputs", f"the {len(inputs)} that were given")
        self._each(found.spans, MediaSpan, "spans")
        self._spans(found, SlotFormat((), model.placeholder_id, (), model.placeholder_edges))
        if found.position_ids is not None:
            self._require(
                rules.are_indices(found.position_ids), "position_ids holds something else than indices", "ints from 0"
            )
            positions = len(found.position_ids)
            self._require(positions == size, f"position_ids holds {positions} positions", f"{size}, one a token")
        return found

    def error(self, found: str, expected: str) -> HookResultError:
        """What is wrong, as an error that names plugin and hook."""
        return HookResultError(
            f"{self.hook} of plugin {self.plugin} returned a wrong result: {found}; expected {expected}.",
            "Report it to the plugin's authors.",
        )

    def _particulars(self, model: FamilyModel) -> None:
        """What only some families have."""
        edges, vocabulary = model.placeholder_edges, model.text_config["vocab_size"]
        fits = edges is None or (rules.are_indices(edges) and len(edges) == 2 and max(edges) < vocabulary)
        self._field("placeholder_edges", edges, fits, f"two token ids below {vocabulary} (vocab_size), or None")
        for name in ("own_positions", "tool_use"):
            value = getattr(model, name)
            self._field(name, value, isinstance(value, bool), "True or False")
        self._field("answer_lead", model.answer_lead, isinstance(model.answer_lead, str), "a text")
        scaling: object = model.length_scaling
        fits = scaling is None or rules.is_length_scaling(scaling)
        self._field("length_scaling", scaling, fits, "a LengthScaling with a trained length of at least 2, or None")
        scale = model.box_scale
        self._field("box_scale", scale, scale is None or rules.is_size(scale), "at least 1, or None")
        added: Any = model.partial_lora
        fits = isinstance(added, Mapping) and all(isinstance(name, str) and _is_low_rank(added[name]) for name in added)
        self._field("partial_lora", added, fits, "LowRank by names of layers, each of a rank of at least 1")

    def _tower(self, tower: TowerSpec) -> None:
        self._field("tower", tower, isinstance(tower, TowerSpec), "a TowerSpec")
        self._import_path("tower.builder", tower.builder)
        self._data("tower.config", tower.config)

    def _segment(self, segment: Text | Special | GeneratedIds | MediaSlot, where: str) -> None:
        if isinstance(segment, MediaSlot):
            self._each(segment.items, MediaItem, f"{where}.items")
            return
        name, text = ("token", segment.token) if isinstance(segment, Special) else ("text", segment.text)
        self._field(f"{where}.{name}", text, isinstance(text, str), "a text")
        if isinstance(segment, Text):
            parsed: object = segment.parse_special_tokens
            self._field(f"{where}.parse_special_tokens", parsed, isinstance(parsed, bool), "True or False")
        if isinstance(segment, GeneratedIds):
            self._field(f"{where}.ids", segment.ids, rules.are_indices(segment.ids), "a tuple of token ids")

    def _item(self, item: MediaItem, where: str, media: int) -> None:
        fits = rules.is_index(item.part) and item.part < media
        range_ = f"0 to {media - 1}, because the conversation holds {media} pictures and clips"
        self._field(f"{where}.part", item.part, fits, range_ if media else "no items, because there are no media")
        self._field(f"{where}.frame", item.frame, item.frame is None or rules.is_index(item.frame), "a number or None")
        self._field(f"{where}.options", item.options, isinstance(item.options, Mapping), "a mapping")

    def _input(self, media_input: MediaInput, where: str) -> None:
        self._pixels(media_input.pixels, f"{where}.pixels")
        self._each(media_input.more_pixels, np.ndarray, f"{where}.more_pixels")
        for number, group in enumerate(media_input.more_pixels):
            self._pixels(group, f"{where}.more_pixels[{number}]")
        self._field(f"{where}.tokens", media_input.tokens, rules.is_size(media_input.tokens), "at least 1")
        grid = media_input.grid
        self._field(f"{where}.grid", grid, grid is None or rules.is_grid(grid), "(columns, rows) or None")
        self._field(f"{where}.mean", media_input.mean, rules.are_finite(media_input.mean), "three numbers")
        fits = rules.are_finite(media_input.std) and min(media_input.std) > 0
        self._field(f"{where}.std", media_input.std, fits, "three numbers above 0")
        views = media_input.views
        self._field(f"{where}.views", views, views is None or rules.is_size(views), "at least 1, or None")

    def _pixels(self, pixels: object, where: str) -> None:
        if not isinstance(pixels, np.ndarray):
            self._fail(f"{where} is {_kind(pixels)}", "a numpy array")
        fits = pixels.ndim == 4 and pixels.shape[3] == 3 and pixels.size > 0
        self._require(pixels.dtype == np.uint8, f"{where} has the dtype {pixels.dtype}", "uint8")
        self._require(fits, f"{where} has the shape {list(pixels.shape)}", "[tiles, height, width, 3]")

    def _spans(self, found: EngineInput, slot: SlotFormat) -> None:
        for number, span in enumerate(found.spans):
            for name in ("item", "start", "length"):
                value = getattr(span, name)
                self._require(type(value) is int, f"spans[{number}].{name} is {short(value)}", "an int")
        items, count = [span.item for span in found.spans], len(found.media)
        together = sorted(item for item, _ in groupby(items)) == list(range(count))
        self._require(together, f"the spans take inputs {items}", f"each of {count} once, or several times in a row")
        self._lengths(found)
        end = 0
        for number, span in enumerate(found.spans):
            end = self._span(found, span, f"spans[{number}]", end)
            ids = found.input_ids[span.start : end]
            edges = "" if slot.edges is None else f" between {slot.edges[0]} and {slot.edges[1]}"
            expected = f"{slot.placeholder_id} only{edges}"
            self._require(ids == slot.ids(span.length), f"spans[{number}] covers ids {short(set(ids))}", expected)

    def _span(self, found: EngineInput, span: MediaSpan, where: str, least: int) -> int:
        """The end of a span that begins at ``least`` or behind it."""
        size, end = len(found.input_ids), span.start + span.length
        self._require(span.start >= least, f"{where} starts at {span.start}", f"at least {least}, behind the last one")
        self._require(end <= size, f"{where} ends at {end}", f"at most {size}, the length of the prompt")
        return end

    def _lengths(self, found: EngineInput) -> None:
        """The spans of each input are together as long as it has tokens, each of them at least one."""
        for item, group in groupby(enumerate(found.spans), lambda pair: pair[1].item):
            lengths = {number: span.length for number, span in group}
            names, tokens = [f"spans[{number}]" for number in lengths], found.media[item].tokens
            for name, length in zip(names, lengths.values(), strict=True):
                self._require(length >= 1, f"{name}.length is {length}", "at least 1")
            of = f"{names[0]}.length is" if len(names) == 1 else f"{names[0]} to {names[-1]} together take"
            total = sum(lengths.values())
            self._require(total == tokens, f"{of} {total}", f"{tokens}, its input's tokens")

    def _import_path(self, name: str, value: object) -> None:
        fits = isinstance(value, str) and _IMPORT_PATH.fullmatch(value) is not None
        self._field(name, value, fits, "an import path, package.module:function")

    def _data(self, name: str, value: object) -> None:
        self._field(name, value, rules.is_data(value), "a mapping that JSON can hold")

    def _typed(self, result: object, expected: type[T]) -> T:
        if isinstance(result, expected):
            return result
        self._fail(f"it is {_kind(result)}", f"a {expected.__name__}")

    def _each(self, values: Sequence[object], expected: Any, name: str) -> None:
        self._require(isinstance(values, tuple), f"{name} is {_kind(values)}", "a tuple")
        for number, value in enumerate(values):
            self._require(isinstance(value, expected), f"{name}[{number}] is {_kind(value)}", _names(expected))

    def _field(self, name: str, value: object, holds: bool, expected: str) -> None:
        if not holds:
            self._fail(f"{name} is {short(value)}", expected)

    def _require(self, holds: bool, found: str, expected: str) -> None:
        if not holds:
            self._fail(found, expected)

    def _fail(self, found: str, expected: str) -> NoReturn:
        raise self.error(found, expected)


def _is_low_rank(value: object) -> bool:
    return isinstance(value, LowRank) and rules.is_size(value.rank) and is_number(value.scale)


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _names(expected: Any) -> str:
    return " or ".join(part.__name__ for part in getattr(expected, "__args__", (expected,)))
