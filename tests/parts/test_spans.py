"""From a rendered prompt to ids and spans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.errors import PlacementError, TokenizerError
from vlmplug.model import MediaInput
from vlmplug.parts.spans import Layout, SlotFormat, VisionRun, inject, inject_layouts
from vlmplug.prompt import MediaItem, MediaSlot, RenderedPrompt, Segment, Special, Text
from vlmplug.tokenizer import Tokenizer

TOKENIZER = Tokenizer.from_folder(Path(__file__).parents[1] / "golden" / "internvl2" / "tiny")
SLOT = SlotFormat((Special("<img>"),), 569, (Special("</img>"),))
THE, BEGIN, END, PAD = 282, 567, 568, 569


def media(*tokens: int) -> tuple[MediaInput, ...]:
    """Inputs that fill these numbers of positions."""
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    return tuple(MediaInput(pixels, count, None, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)) for count in tokens)


def slot(*parts: int) -> MediaSlot:
    return MediaSlot(tuple(MediaItem(part) for part in parts))


@pytest.mark.parametrize(
    ("segments", "tokens", "ids", "spans"),
    [
        ((Text("The"),), (), [1, THE], []),
        ((slot(0),), (2,), [1, BEGIN, PAD, PAD, END], [(0, 2, 2)]),
        ((Text("The"), slot(0), Text("The")), (1,), [1, THE, BEGIN, PAD, END, THE], [(0, 3, 1)]),
        ((slot(0, 1),), (1, 2), [1, BEGIN, PAD, PAD, PAD, END], [(0, 2, 1), (1, 3, 2)]),
        ((slot(0), slot(1)), (1, 1), [1, BEGIN, PAD, END, BEGIN, PAD, END], [(0, 2, 1), (1, 5, 1)]),
    ],
    ids=["text", "one", "between texts", "one place for two", "two places"],
)
def test_injection(
    segments: tuple[Segment, ...], tokens: tuple[int, ...], ids: list[int], spans: list[tuple[int, int, int]]
) -> None:
    found = inject(TOKENIZER, RenderedPrompt(segments), media(*tokens), SLOT)
    assert list(found.input_ids) == ids
    assert [(span.item, span.start, span.length) for span in found.spans] == spans
    assert found.media_tokens == sum(tokens)
    assert found.position_ids is None


@pytest.mark.parametrize(
    ("tokens", "ids"), [(2, [BEGIN, END]), (3, [BEGIN, PAD, END]), (5, [BEGIN, PAD, PAD, PAD, END])]
)
def test_begin_and_end_may_be_media_too(tokens: int, ids: list[int]) -> None:
    edged = SlotFormat((), PAD, (), (BEGIN, END))
    found = inject(TOKENIZER, RenderedPrompt((Text("The"), slot(0), Text("The"))), media(tokens), edged)
    assert list(found.input_ids) == [1, THE, *ids, THE]
    assert [(span.start, span.length) for span in found.spans] == [(2, tokens)]


@given(st.lists(st.one_of(st.text(max_size=5), st.lists(st.integers(1, 9), min_size=1, max_size=3)), max_size=8))
def test_spans_are_disjoint_in_order_and_as_long_as_their_media(parts: list[str | list[int]]) -> None:
    tokens = [count for part in parts if isinstance(part, list) for count in part]
    numbers = iter(range(len(tokens)))
    segments = [Text(part) if isinstance(part, str) else slot(*(next(numbers) for _ in part)) for part in parts]
    found = inject(TOKENIZER, RenderedPrompt(tuple(segments)), media(*tokens), SLOT)
    assert [span.item for span in found.spans] == list(range(len(tokens)))
    assert [span.length for span in found.spans] == tokens
    ends = [span.start + span.length for span in found.spans]
    assert all(end <= span.start for end, span in zip(ends, found.spans[1:], strict=False))
    covered = [position for span in found.spans for position in range(span.start, span.start + span.length)]
    assert covered == [position for position, token in enumerate(found.input_ids) if token == PAD]


@pytest.mark.parametrize("tokens", [(), (1, 1)])
def test_as_many_inputs_as_items(tokens: tuple[int, ...]) -> None:
    with pytest.raises(PlacementError, match=f"1 media items, but {len(tokens)} were"):
        inject(TOKENIZER, RenderedPrompt((slot(0),)), media(*tokens), SLOT)


TAGGED: Layout = (Special("<img>"), VisionRun(2), Special("</img>"), Text("The"), VisionRun(1))


def test_a_media_item_may_have_several_spans_with_text_between_them() -> None:
    prompt = RenderedPrompt((Text("The"), slot(0), slot(1)))
    found = inject_layouts(TOKENIZER, prompt, media(3, 1), PAD, [TAGGED, (VisionRun(1), Special("</img>"))])
    assert found.input_ids == (1, THE, BEGIN, PAD, PAD, END, THE, PAD, PAD, END)
    assert [(span.item, span.start, span.length) for span in found.spans] == [(0, 3, 2), (0, 7, 1), (1, 8, 1)]


def test_text_of_a_layout_merges_with_the_text_of_the_prompt_beside_it() -> None:
    prompt = RenderedPrompt((Text("T"), slot(0), Text("e")))
    found = inject_layouts(TOKENIZER, prompt, media(1), PAD, [(Text("he"), VisionRun(1), Text("Th"))])
    assert found.input_ids == (1, THE, PAD, THE)


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=4))
def test_runs_become_spans_in_order(runs: list[list[int]]) -> None:
    prompt = RenderedPrompt((slot(*range(len(runs))),))
    layouts = [[piece for count in own for piece in (Text("x"), VisionRun(count))] for own in runs]
    found = inject_layouts(TOKENIZER, prompt, media(*map(sum, runs)), PAD, layouts)
    assert [(span.item, span.length) for span in found.spans] == [
        (item, count) for item, own in enumerate(runs) for count in own
    ]
    assert found.media_tokens == found.input_ids.count(PAD)


def test_as_many_inputs_as_items_for_layouts() -> None:
    with pytest.raises(PlacementError, match="1 media items, but 0 were"):
        inject_layouts(TOKENIZER, RenderedPrompt((slot(0),)), (), PAD, [TAGGED])


def test_a_slot_of_a_token_that_does_not_exist() -> None:
    with pytest.raises(TokenizerError, match="<picture>"):
        inject(TOKENIZER, RenderedPrompt((slot(0),)), media(1), SlotFormat((Special("<picture>"),), 569, ()))
