"""From a rendered prompt to ids: places for media become ids to be replaced, and spans that say where they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


def inject(tokenizer: Tokenizer, prompt: RenderedPrompt, inputs: Sequence[MediaInput], slot: SlotFormat) -> EngineInput:
    """Ids of the prompt with a span for each media item; the spans of items that share a place touch.

    :param inputs: one for each item of ``prompt.items``, in order.
    :raises PlacementError: there are more or fewer.
    :raises TokenizerError: the prompt names a special token that does not exist.
    """
    if len(inputs) != len(prompt.items):
        raise PlacementError(
            f"The prompt has places for {len(prompt.items)} media items, but {len(inputs)} were prepared.",
            "Prepare exactly the items of the rendered prompt.",
        )
    pieces = list(_expanded(prompt, inputs, slot))
    ids, spans = list(tokenizer.bos_ids), []
    for (_, item), encoded in zip(pieces, tokenizer.encode_segments([piece for piece, _ in pieces]), strict=True):
        if item is not None:
            spans.append(MediaSpan(item, len(ids), len(encoded)))
        ids += encoded
    return EngineInput(tuple(ids), tuple(spans), tuple(inputs))


def _expanded(
    prompt: RenderedPrompt, inputs: Sequence[MediaInput], slot: SlotFormat
) -> Iterator[tuple[Segment, int | None]]:
    """Segments that have ids, and of which media item they are the placeholders."""
    item = 0
    for segment in prompt.segments:
        if not isinstance(segment, MediaSlot):
            yield segment, None
            continue
        yield from ((piece, None) for piece in slot.before)
        for _ in segment.items:
            yield GeneratedIds(slot.ids(inputs[item].tokens), ""), item
            item += 1
        yield from ((piece, None) for piece in slot.after)
