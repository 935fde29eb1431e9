"""Every promise of a hook's specification that its result can break, and what the error says then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.errors import HookResultError
from vlmplug.hook_results import HookResults
from vlmplug.model import (
    EngineInput,
    FamilyModel,
    LengthScaling,
    LowRank,
    MediaBatch,
    MediaInput,
    MediaSpan,
    ModelSource,
    TowerSpec,
)
from vlmplug.prompt import GeneratedIds, MediaItem, MediaSlot, RenderedPrompt, Special, Text
from vlmplug.text_model import TextModel
from vlmplug.tokenizer import Tokenizer

SOURCE = ModelSource("toy-1b", "toy", Path("folder"), {}, "plain")
EMPTY = TextModel(tokenizers.Tokenizer(tokenizers.models.BPE()), "byte_level", "none", (), {})
MODEL = FamilyModel(
    model_type="toy-1b",
    family="toy",
    folder=Path("folder"),
    tokenizer=Tokenizer(Path("folder"), EMPTY, (), {}, ()),
    text_config={"vocab_size": 100},
    tower=TowerSpec("toy:tower", {}),
    weight_route="toy:route",
    stop_ids=(2,),
    placeholder_id=7,
    context_length=128,
    dtype="float32",
    settings=None,
)
INPUT = MediaInput(np.zeros((1, 2, 2, 3), np.uint8), 3, None, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
PROMPT = RenderedPrompt((Special("<s>"), Text("hi"), MediaSlot((MediaItem(0), MediaItem(1)))))
BATCH = MediaBatch((), (MediaItem(0), MediaItem(1)))
ENGINE_INPUT = EngineInput((1, 7, 7, 7, 5, 7, 7, 7, 9), (MediaSpan(0, 1, 3), MediaSpan(1, 5, 3)), (INPUT, INPUT))


def check_model(result: Any) -> Any:
    return HookResults("toy", "load_model").family_model(result, SOURCE)


def check_prompt(result: Any) -> Any:
    return HookResults("toy", "render_prompt").rendered_prompt(result, 2)


def check_textual(result: Any) -> Any:
    """In a conversation without pictures and clips."""
    return HookResults("toy", "render_prompt").rendered_prompt(result, 0)


def check_inputs(result: Any) -> Any:
    return HookResults("toy", "preprocess_media").media_inputs(result, BATCH)


def check_engine(result: Any) -> Any:
    return HookResults("toy", "inject_vision_tokens").engine_input(result, MODEL, (INPUT, INPUT))


def check_edged(result: Any) -> Any:
    """Where begin and end of a span are media too."""
    edged = replace(MODEL, placeholder_edges=(3, 4))
    return HookResults("toy", "inject_vision_tokens").engine_input(result, edged, (INPUT, INPUT))


def pixels(array: Any, *more: Any) -> tuple[MediaInput, ...]:
    return INPUT, replace(INPUT, pixels=array, more_pixels=more)


def spans(*given_spans: tuple[int, int, int]) -> EngineInput:
    return replace(ENGINE_INPUT, spans=tuple(MediaSpan(*span) for span in given_spans))


@pytest.mark.parametrize(
    ("check", "result"),
    [
        (check_model, MODEL),
        (check_prompt, PROMPT),
        (check_textual, RenderedPrompt(())),
        (check_textual, RenderedPrompt((GeneratedIds((5, 6), "hi"), Text("x", True)))),
        (
            check_prompt,
            RenderedPrompt(
                (
                    MediaSlot(
                        (MediaItem(1, 0), MediaItem(1, 1), MediaItem(0)),
                    ),
                )
            ),
        ),
        (check_inputs, (INPUT, INPUT)),
        (check_engine, ENGINE_INPUT),
        (check_engine, replace(ENGINE_INPUT, spans=(MediaSpan(1, 1, 3), MediaSpan(0, 5, 3)))),
        (check_engine, spans((0, 1, 1), (0, 2, 2), (1, 5, 1), (1, 6, 1), (1, 7, 1))),
        (check_inputs, pixels(np.zeros((1, 2, 2, 3), np.uint8), np.zeros((2, 4, 1, 3), np.uint8))),
        (check_engine, replace(ENGINE_INPUT, position_ids=tuple(range(9)))),
        (check_model, replace(MODEL, placeholder_edges=(0, 99), own_positions=True, tool_use=True, answer_lead="\n")),
        (check_model, replace(MODEL, partial_lora={"wqkv": LowRank(8, 2.0), "wo": LowRank(256)})),
        (check_inputs, (replace(INPUT, views=5), INPUT)),
        (check_edged, replace(ENGINE_INPUT, input_ids=(1, 3, 7, 4, 5, 3, 7, 4, 9))),
        (check_model, replace(MODEL, length_scaling=LengthScaling(2048, True, False), box_scale=1000)),
        (check_prompt, RenderedPrompt((MediaSlot((MediaItem(1),)),), left_out=frozenset({0}))),
    ],
)
def test_what_keeps_the_promise_passes_through(check: Callable[[Any], Any], result: Any) -> None:
    assert check(result) is result


@pytest.mark.parametrize(
    ("check", "result", "found"),
    [
        (check_model, None, "it is None; expected a FamilyModel"),
        (check_model, {"family": "toy"}, "it is a dict; expected a FamilyModel"),
        (check_model, replace(MODEL, family="other"), "family is 'other'; expected 'toy'"),
        (check_model, replace(MODEL, model_type="toy-2b"), "model_type is 'toy-2b'; expected 'toy-1b'"),
        (check_model, replace(MODEL, placeholder_id=-1), "placeholder_id is -1; expected a token id below 100"),
        (check_model, replace(MODEL, placeholder_id=100), "placeholder_id is 100; expected a token id below 100"),
        (check_model, replace(MODEL, placeholder_edges=(3,)), "placeholder_edges is (3); expected two token ids"),
        (check_model, replace(MODEL, placeholder_edges=(3, 100)), "placeholder_edges is (3, 100); expected two"),
        (check_model, replace(MODEL, own_positions=1), "own_positions is 1; expected True or False"),
        (check_model, replace(MODEL, tool_use=None), "tool_use is None; expected True or False"),
        (check_model, replace(MODEL, answer_lead=None), "answer_lead is None; expected a text"),
        (check_model, replace(MODEL, length_scaling={}), "length_scaling is {}; expected a LengthScaling with a"),
        (check_model, replace(MODEL, length_scaling=LengthScaling(1, True, True)), "expected a LengthScaling with a"),
        (check_model, replace(MODEL, length_scaling=LengthScaling(9, 1, True)), "expected a LengthScaling with a"),
        (check_model, replace(MODEL, box_scale=0), "box_scale is 0; expected at least 1, or None"),
        (check_prompt, RenderedPrompt((), left_out=(0, 1)), "left_out is (0, 1); expected a frozenset of numbers"),
        (check_prompt, RenderedPrompt((), left_out=frozenset({0})), "it leaves out picture or clip 2"),
        (check_model, replace(MODEL, partial_lora={"wo": 8}), "partial_lora is {'wo': 8}; expected LowRank by names"),
        (check_model, replace(MODEL, partial_lora={"wo": LowRank(0)}), "expected LowRank by names of layers, each of"),
        (check_model, replace(MODEL, partial_lora=None), "partial_lora is None; expected LowRank by names of layers"),
        (check_inputs, (replace(INPUT, views=0), INPUT), "inputs[0].views is 0; expected at least 1, or None"),
        (check_edged, ENGINE_INPUT, "spans[0] covers ids {7}; expected 7 only between 3 and 4"),
        (check_model, replace(MODEL, stop_ids=[2]), "stop_ids is [2]; expected a tuple of token ids"),
        (check_model, replace(MODEL, folder="folder"), "folder is 'folder'; expected a Path"),
        (check_model, replace(MODEL, tokenizer=None), "tokenizer is None; expected a Tokenizer"),
        (check_model, replace(MODEL, text_config=None), "text_config is None; expected a mapping that JSON can hold"),
        (check_model, replace(MODEL, text_config={1: 2}), "text_config is {1: 2}; expected a mapping that JSON"),
        (check_model, replace(MODEL, text_config={"a": object()}), "text_config is {'a': <object>}; expected a map"),
        (check_model, replace(MODEL, text_config={}), "text_config['vocab_size'] is None; expected at least 1"),
        (check_model, replace(MODEL, weight_route="toy.route"), "weight_route is 'toy.route'; expected an import path"),
        (check_model, replace(MODEL, tower=None), "tower is None; expected a TowerSpec"),
        (check_model, replace(MODEL, tower=TowerSpec("toy", {})), "tower.builder is 'toy'; expected an import path"),
        (check_model, replace(MODEL, tower=TowerSpec("toy:tower", {"a": {1}})), "tower.config is {'a': {1}}"),
        (check_model, replace(MODEL, dtype="half"), "dtype is 'half'; expected one of bfloat16, float16, float32"),
        (check_model, replace(MODEL, sampling=None), "sampling is None; expected SamplingDefaults"),
        (check_model, replace(MODEL, context_length=0), "context_length is 0; expected at least 1"),
        (check_prompt, None, "it is None; expected a RenderedPrompt"),
        (check_prompt, "hi", "it is a str; expected a RenderedPrompt"),
        (check_prompt, RenderedPrompt([Text("x")]), "segments is a list; expected a tuple"),  # type: ignore[arg-type]
        (check_prompt, RenderedPrompt((Text("x"), "y")), "segments[1] is a str; expected Text or Special or"),  # type: ignore[arg-type]
        (check_prompt, RenderedPrompt((MediaSlot((3,)),)), "items[0] is a int; expected MediaItem"),  # type: ignore[arg-type]
        (check_prompt, RenderedPrompt((MediaSlot((MediaItem(2),)),)), "items[0].part is 2; expected 0 to 1"),
        (check_prompt, RenderedPrompt((MediaSlot((MediaItem(-1),)),)), "items[0].part is -1; expected 0 to 1"),
        (check_prompt, RenderedPrompt(()), "it leaves out picture or clip 1; expected a slot for each of 2"),
        (check_prompt, RenderedPrompt((MediaSlot((MediaItem(0),)),)), "it leaves out picture or clip 2"),
        (check_prompt, RenderedPrompt((Text(3),)), "segments[0].text is 3; expected a text"),  # type: ignore[arg-type]
        (check_prompt, RenderedPrompt((Special(None),)), "segments[0].token is None"),  # type: ignore[arg-type]
        (check_prompt, RenderedPrompt((Text("a", 1),)), "parse_special_tokens is 1"),  # type: ignore[arg-type]
        (check_prompt, RenderedPrompt((GeneratedIds([5], "a"),)), "segments[0].ids is [5]"),  # type: ignore[arg-type]
        (check_prompt, RenderedPrompt((MediaSlot([]),)), "segments[0].items is a list"),  # type: ignore[arg-type]
        (check_prompt, RenderedPrompt((MediaSlot((MediaItem(0, -1),)),)), "items[0].frame is -1; expected a number"),
        (check_prompt, RenderedPrompt((MediaSlot((MediaItem(0, None, ()),)),)), "items[0].options is ()"),  # type: ignore[arg-type]
        (check_textual, RenderedPrompt((MediaSlot((MediaItem(0),)),)), "items[0].part is 0; expected no items"),
        (check_inputs, None, "it is None; expected a tuple"),
        (check_inputs, [INPUT, INPUT], "it is a list; expected a tuple"),
        (check_inputs, (INPUT,), "it holds 1 inputs; expected 2, one for each item"),
        (check_inputs, (INPUT, None), "inputs[1] is None; expected MediaInput"),
        (check_inputs, pixels([[0]]), "inputs[1].pixels is a list; expected a numpy array"),
        (check_inputs, pixels(np.zeros((1, 2, 2, 3), np.float32)), "inputs[1].pixels has the dtype float32"),
        (check_inputs, pixels(np.zeros((1, 3, 2, 2), np.uint8)), "inputs[1].pixels has the shape [1, 3, 2, 2]"),
        (check_inputs, pixels(np.zeros((2, 2, 3), np.uint8)), "inputs[1].pixels has the shape [2, 2, 3]"),
        (check_inputs, pixels(np.zeros((0, 2, 2, 3), np.uint8)), "inputs[1].pixels has the shape [0, 2, 2, 3]"),
        (
            check_inputs,
            pixels(INPUT.pixels, np.zeros((1, 2, 2), np.uint8)),
            "inputs[1].more_pixels[0] has the shape [1, 2, 2]; expected [tiles, height, width, 3]",
        ),
        (
            check_inputs,
            pixels(INPUT.pixels, INPUT.pixels, INPUT.pixels * 0.5),
            "inputs[1].more_pixels[1] has the dtype float64; expected uint8",
        ),
        (check_inputs, pixels(INPUT.pixels, 3), "inputs[1].more_pixels[0] is a int; expected ndarray"),
        (
            check_inputs,
            (INPUT, replace(INPUT, more_pixels=[INPUT.pixels])),  # type: ignore[arg-type]
            "inputs[1].more_pixels is a list; expected a tuple",
        ),
        (check_inputs, (INPUT, replace(INPUT, tokens=0)), "inputs[1].tokens is 0; expected at least 1"),
        (check_inputs, (INPUT, replace(INPUT, tokens=np.int64(3))), "inputs[1].tokens is int64(3); expected at"),
        (check_inputs, (INPUT, replace(INPUT, grid=(0, 1))), "inputs[1].grid is (0, 1); expected (columns, rows)"),
        (check_inputs, (INPUT, replace(INPUT, mean=0.5)), "inputs[1].mean is 0.5; expected three numbers"),
        (check_inputs, (INPUT, replace(INPUT, mean=(0.5, 0.5, float("nan")))), "inputs[1].mean is (0.5, 0.5, nan)"),
        (check_inputs, (INPUT, replace(INPUT, std=(1.0, 1.0, 0.0))), "expected three numbers above 0"),
        (check_engine, None, "it is None; expected a EngineInput"),
        (check_engine, replace(ENGINE_INPUT, input_ids=()), "input_ids is empty"),
        (check_engine, replace(ENGINE_INPUT, input_ids=[1, 2]), "input_ids holds something else than token ids"),
        (check_engine, replace(ENGINE_INPUT, input_ids=(1, -2)), "input_ids holds something else than token ids"),
        (check_engine, replace(ENGINE_INPUT, input_ids=(1, 2.0)), "input_ids holds something else than token ids"),
        (check_engine, replace(ENGINE_INPUT, input_ids=(1, True)), "input_ids holds something else than token ids"),
        (check_engine, replace(ENGINE_INPUT, input_ids=(1, 100)), "input_ids holds 100; expected ids below 100"),
        (check_engine, replace(ENGINE_INPUT, media=(INPUT,)), "media holds 1 inputs; expected the 2 that were given"),
        (check_engine, replace(ENGINE_INPUT, spans=((0, 1, 3),)), "spans[0] is a tuple; expected MediaSpan"),
        (check_engine, spans((0, 1, 3)), "the spans take inputs [0]; expected each of 2 once"),
        (check_engine, spans((0, 1, 3), (0, 5, 3)), "the spans take inputs [0, 0]; expected each of 2 once"),
        (check_engine, spans((0, 1, 3), (2, 5, 3)), "the spans take inputs [0, 2]; expected each of 2 once"),
        (check_engine, spans((0, 1, 3), (1, 5, 2)), "spans[1].length is 2; expected 3, its input's tokens"),
        (check_engine, spans((0, 1, 1), (1, 5, 3), (0, 2, 2)), "the spans take inputs [0, 1, 0]; expected each of 2"),
        (check_engine, spans((0, 1, 1), (0, 2, 1), (1, 5, 3)), "spans[0] to spans[1] together take 2; expected 3"),
        (check_engine, spans((0, 1, 2), (0, 3, 0), (1, 5, 3)), "spans[1].length is 0; expected at least 1"),
        (check_engine, spans((0, 1, 4), (0, 5, -1), (1, 5, 3)), "spans[1].length is -1; expected at least 1"),
        (check_engine, spans((0, 2, 2), (0, 1, 1), (1, 5, 3)), "spans[1] starts at 1; expected at least 4"),
        (check_engine, spans((0, 5, 3), (1, 1, 3)), "spans[1] starts at 1"),
        (check_engine, spans((0, 1, 3), (1, 3, 3)), "spans[1] starts at 3"),
        (check_engine, spans((0, -1, 3), (1, 3, 3)), "spans[0] starts at -1"),
        (check_engine, spans((0, 1, 3), (1, 7, 3)), "spans[1] ends at 10; expected at most 9"),
        (check_engine, spans((0, 1, 3), (1, 4, 3)), "spans[1] covers ids {5, 7}; expected 7 only"),
        (check_engine, spans((0, 1, 3), (1, 5.0, 3)), "spans[1].start is 5.0; expected an int"),  # type: ignore[arg-type]
        (check_engine, spans((0, 1, 3), (True, 5, 3)), "spans[1].item is True; expected an int"),
        (check_engine, replace(ENGINE_INPUT, position_ids=(0, 1)), "position_ids holds 2 positions; expected 9"),
        (
            check_engine,
            replace(ENGINE_INPUT, position_ids=(-1,) * 9),
            "position_ids holds something else than indices",
        ),
    ],
)
def test_what_breaks_it_is_named_with_plugin_and_hook(check: Callable[[Any], Any], result: Any, found: str) -> None:
    with pytest.raises(HookResultError) as caught:
        check(result)
    assert " of plugin toy returned a wrong result: " in caught.value.problem
    assert found in caught.value.problem


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.data())
def test_spans_are_accepted_exactly_where_they_are_disjoint_and_in_order(sizes: list[int], data: st.DataObject) -> None:
    starts = data.draw(st.lists(st.integers(0, 20), min_size=len(sizes), max_size=len(sizes)))
    media = tuple(replace(INPUT, tokens=size) for size in sizes)
    laid = tuple(MediaSpan(n, start, size) for n, (start, size) in enumerate(zip(starts, sizes, strict=True)))
    result = EngineInput((MODEL.placeholder_id,) * 24, laid, media)
    taken = [position for span in laid for position in range(span.start, span.start + span.length)]
    valid = taken == sorted(set(taken))
    try:
        HookResults("toy", "inject_vision_tokens").engine_input(result, MODEL, media)
    except HookResultError:
        assert not valid
    else:
        assert valid


@given(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=4), min_size=1, max_size=4), st.data())
def test_spans_of_an_input_have_together_as_many_positions_as_it_has_tokens(
    lengths: list[list[int]], data: st.DataObject
) -> None:
    tokens = data.draw(st.lists(st.integers(1, 8), min_size=len(lengths), max_size=len(lengths)))
    media = tuple(replace(INPUT, tokens=count) for count in tokens)
    laid, end = [], 0
    for item, own in enumerate(lengths):
        for length in own:
            laid.append(MediaSpan(item, end + data.draw(st.integers(0, 2)), length))
            end = laid[-1].start + length
    result = EngineInput((MODEL.placeholder_id,) * (end + 1), tuple(laid), media)
    try:
        HookResults("toy", "inject_vision_tokens").engine_input(result, MODEL, media)
    except HookResultError:
        assert [sum(own) for own in lengths] != tokens
    else:
        assert [sum(own) for own in lengths] == tokens


#: Whether evil values are evil: hypothesis itself looks at them before and after a test.
ARMED = threading.Event()


def strike() -> None:
    if ARMED.is_set():
        raise RuntimeError("evil")


class Evil:
    """Fails at whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        strike()
        return super().__getattribute__(name)


class EvilPrompt(RenderedPrompt):
    @property
    def items(self) -> tuple[MediaItem, ...]:
        strike()
        return super().items


class EvilTuple(tuple[Any, ...]):
    def __len__(self) -> int:
        strike()
        return super().__len__()

    def __iter__(self) -> Any:
        strike()
        return super().__iter__()


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 12),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from([Evil(), EvilPrompt(()), EvilTuple((1,)), np.zeros((1, 2, 2, 3), np.uint8), int, 10**400]),
    st.sampled_from([INPUT, MediaItem(0), MediaSpan(0, 1, 3), Text("a"), MODEL, PROMPT, ENGINE_INPUT, MODEL.tower]),
)
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple), max_leaves=8
)


def anything_like(kind: Any, count: int) -> st.SearchStrategy[Any]:
    """Objects of a class with anything in its fields."""
    return st.tuples(*[ANYTHING] * count).map(lambda values: kind(*values))


RESULTS = st.one_of(
    ANYTHING,
    anything_like(RenderedPrompt, 1),
    anything_like(EngineInput, 4),
    st.lists(anything_like(MediaInput, 6), max_size=3).map(tuple),
    st.lists(anything_like(MediaSlot, 1) | anything_like(Text, 2), max_size=3).map(lambda s: RenderedPrompt(tuple(s))),
    st.lists(anything_like(MediaItem, 3), max_size=3).map(lambda items: RenderedPrompt((MediaSlot(tuple(items)),))),
    st.lists(anything_like(MediaSpan, 3), max_size=3).map(lambda found: replace(ENGINE_INPUT, spans=tuple(found))),
    st.tuples(st.sampled_from([field.name for field in fields(MODEL)]), ANYTHING).map(
        lambda change: replace(MODEL, **{change[0]: change[1]})
    ),
)


@given(RESULTS)
def test_whatever_a_hook_returns_is_valid_or_a_typed_error(result: Any) -> None:
    ARMED.set()
    try:
        check_all(result)
    finally:
        ARMED.clear()


def check_all(result: Any) -> None:
    for check in (check_model, check_prompt, check_inputs, check_engine):
        try:
            assert check(result) is result
        except HookResultError as error:
            assert "of plugin toy returned a wrong result: " in error.problem
            assert len(error.problem) < 1000
