"""From a rendered prompt to ids: places for media become ids to be replaced, and spans that say where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from vlmplug.errors import PlacementError
from vlmplug.model import EngineInput, MediaInput, MediaSpan
from vlmplug.prompt import GeneratedIds, MediaSlot, RenderedPrompt, Segment
from vlmplug.tokenizer import Tokenizer


@dataclass(frozen=True)
class SlotFormat:
    """What a place for media becomes: ``before``, one ``placeholder_id`` for each vision token of all its items,
    ``after``.

    ``edges``: ids in the place of an item's first and last ``placeholder_id``; see `FamilyModel.placeholder_edges`.
    """

    before: tuple[Segment, ...]
    placeholder_id: int
    after: tuple[Segment, ...]
    edges: tuple[int, int] | None = None

    def ids(self, tokens: int) -> tuple[int, ...]:
        """What stands at the positions of an item of so many vision tokens, two at least where there are edges."""
        if self.edges is None:
            return (self.placeholder_id,) * tokens
        first, last = self.edges
        return (first, *(self.placeholder_id,) * (tokens - 2), last)


@dataclass(frozen=True)
class VisionRun:
    """So many positions in a row that take the next embeddings of a media item."""

    tokens: int


#: What one media item becomes: runs of its embeddings, and what stands around and between them.
Layout: TypeAlias = "Sequence[Segment | VisionRun]"
_Owned: TypeAlias = "tuple[Segment, int | None]"


def inject(tokenizer: Tokenizer, prompt: RenderedPrompt, inputs: Sequence[MediaInput], slot: SlotFormat) -> EngineInput:
    """Ids of the prompt with a span for each media item; the spans of items that share a place touch.

    :param inputs: one for each item of ``prompt.items``, in order.
    :raises PlacementError: there are more or fewer.
    :raises TokenizerError: the prompt names a special token that does not exist.
    """

    def filled(items: Sequence[int]) -> Iterator[_Owned]:
        yield from ((piece, None) for piece in slot.before)
        for item in items:
            yield GeneratedIds(slot.ids(inputs[item].tokens), ""), item
        yield from ((piece, None) for piece in slot.after)

    return _injected(tokenizer, prompt, inputs, filled)


def inject_layouts(
    tokenizer: Tokenizer,
    prompt: RenderedPrompt,
    inputs: Sequence[MediaInput],
    placeholder_id: int,
    layouts: Sequence[Layout],
) -> EngineInput:
    """As `inject`, where a media item may have several spans, with text and special tokens between them.

    :param layouts: one for each item of ``prompt.items``, in order; its runs have as many tokens as its input.
    """

    def filled(items: Sequence[int]) -> Iterator[_Owned]:
        for item in items:
            for piece in layouts[item]:
                if isinstance(piece, VisionRun):
                    yield GeneratedIds((placeholder_id,) * piece.tokens, ""), item
                else:
                    yield piece, None

    return _injected(tokenizer, prompt, inputs, filled)


def _injected(
    tokenizer: Tokenizer,
    prompt: RenderedPrompt,
    inputs: Sequence[MediaInput],
    filled: Callable[[Sequence[int]], Iterable[_Owned]],
) -> EngineInput:
    """:param filled: what a place for these items becomes, with the item of each piece that takes embeddings."""
    if len(inputs) != len(prompt.items):
        raise PlacementError(
            f"The prompt has places for {len(prompt.items)} media items, but {len(inputs)} were prepared.",
            "Prepare exactly the items of the rendered prompt.",
        )
    pieces = list(_expanded(prompt, filled))
    ids, spans = list(tokenizer.bos_ids), []
    for (_, item), encoded in zip(pieces, tokenizer.encode_segments([piece for piece, _ in pieces]), strict=True):
        if item is not None:
            spans.append(MediaSpan(item, len(ids), len(encoded)))
        ids += encoded
    return EngineInput(tuple(ids), tuple(spans), tuple(inputs))


def _expanded(prompt: RenderedPrompt, filled: Callable[[Sequence[int]], Iterable[_Owned]]) -> Iterator[_Owned]:
    """Segments that have ids, and of which media item they are the placeholders."""
    first = 0
    for segment in prompt.segments:
        if isinstance(segment, MediaSlot):
            yield from filled(range(first, first + len(segment.items)))
            first += len(segment.items)
        else:
            yield segment, None
