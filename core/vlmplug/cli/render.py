"""``vlmplug render``: the exact prompt of a question, its ids, and where the vision embeddings go."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias

from vlmplug.cli.flags import (
    QUESTION,
    add_json_flag,
    add_request_flags,
    conversation_of,
    host_options_of,
    prompt_options_of,
    registry_of,
)
from vlmplug.cli.model_choice import chosen_model
from vlmplug.cli.output import print_json
from vlmplug.cli.parser import CommandParser
from vlmplug.table import format_table

if TYPE_CHECKING:
    from vlmplug.conversation import Conversation
    from vlmplug.model import FamilyModel, MediaSpan
    from vlmplug.pipeline import Prepared
    from vlmplug.prompt import MediaSlot, RenderedPrompt

#: Equal ids in a row that are written as one with their number.
_RUN = 4
#: Texts and special tokens of a prompt, and their ids.
_Run: TypeAlias = "tuple[str, tuple[int, ...]]"


def add_flags(parser: CommandParser) -> None:
    """Fills the parser of ``render``."""
    parser.add_argument("question", help=QUESTION)
    add_request_flags(parser)
    parser.set_defaults(run=_render)
    add_json_flag(parser)


def _render(arguments: argparse.Namespace) -> int:
    from vlmplug.pipeline import Request, open_preparer

    request = Request(conversation_of(arguments), prompt_options_of(arguments))
    registry = registry_of(arguments)
    chosen = chosen_model(arguments, registry)
    preparer = open_preparer(chosen.model_type, chosen.folder, registry, host_options_of(arguments))
    prepared = preparer.prepare(request)
    spans = [_span_record(arguments, request.conversation, prepared, span) for span in prepared.engine_input.spans]
    prompt = prompt_text(preparer.model, prepared)
    if arguments.json:
        print_json(_record(preparer.model.model_type, prepared, prompt, spans))
    else:
        print(_text(prepared, prompt, spans))
    return 0


def _record(model_type: str, prepared: Prepared, prompt: str, spans: list[dict[str, Any]]) -> dict[str, Any]:
    ids = prepared.engine_input
    return {
        "model_type": model_type,
        "prompt": prompt,
        "tokens": len(ids.input_ids),
        "media_tokens": ids.media_tokens,
        "input_ids": list(ids.input_ids),
        "position_ids": None if ids.position_ids is None else list(ids.position_ids),
        "spans": spans,
    }


def _text(prepared: Prepared, prompt: str, spans: list[dict[str, Any]]) -> str:
    ids = prepared.engine_input
    header = ("START", "LENGTH", "MEDIA", "FRAME", "TILES", "GRID")
    rows = [
        (span["start"], span["length"], span["file"], _or_empty(span["frame"]), span["tiles"], _grid(span["grid"]))
        for span in spans
    ]
    blocks = [prompt, f"{len(ids.input_ids)} tokens, {ids.media_tokens} of them media"]
    blocks += [format_table(header, rows)] if rows else []
    blocks.append(" ".join(_runs(ids.input_ids)))
    return "\n\n".join(blocks)


def _span_record(
    arguments: argparse.Namespace, conversation: Conversation, prepared: Prepared, span: MediaSpan
) -> dict[str, Any]:
    from vlmplug.conversation import ImagePart

    item, media = prepared.prompt.items[span.item], prepared.engine_input.media[span.item]
    kinds = [isinstance(part, ImagePart) for part in conversation.media]
    files = [*arguments.image, *arguments.video]
    return {
        "start": span.start,
        "length": span.length,
        "kind": "image" if kinds[item.part] else "video",
        "file": files[item.part],
        "frame": item.frame,
        "tiles": media.tiles,
        "grid": None if media.grid is None else list(media.grid),
        "options": dict(item.options),
    }


def prompt_text(model: FamilyModel, prepared: Prepared) -> str:
    """The prompt; each place of media as its tags and the number of positions between them."""
    return "".join(_shown(model, prepared))


def _shown(model: FamilyModel, prepared: Prepared) -> Iterator[str]:
    """The prompt's own texts as they are; what stands around and between the media as its ids say."""
    ids, end = prepared.engine_input.input_ids, len(model.tokenizer.bos_ids)
    yield _decoded(model, model.tokenizer.bos_ids)
    *texts, last = _between_slots(model, prepared.prompt)
    for text, spans in zip(texts, _slot_spans(prepared), strict=True):
        yield _around(model, ids[end : spans[0].start], text)
        end = spans[0].start
        for span in spans:
            yield _decoded(model, ids[end : span.start]) + _span(model, span)
            end = span.start + span.length
    yield _around(model, ids[end:], last)


def _slot_spans(prepared: Prepared) -> Iterator[list[MediaSpan]]:
    """The spans of each place for media."""
    first = 0
    for slot in _slots(prepared.prompt):
        items = range(first, first + len(slot.items))
        first = items.stop
        yield [span for span in prepared.engine_input.spans if span.item in items]


def _slots(prompt: RenderedPrompt) -> Iterator[MediaSlot]:
    from vlmplug.prompt import MediaSlot

    return (segment for segment in prompt.segments if isinstance(segment, MediaSlot) and segment.items)


def _between_slots(model: FamilyModel, prompt: RenderedPrompt) -> list[_Run]:
    """What the prompt itself has in front of each place for media, and behind the last one."""
    from vlmplug.prompt import GeneratedIds, MediaSlot, RenderedPrompt

    segments = [segment for segment in prompt.segments if not isinstance(segment, MediaSlot) or segment.items]
    place = GeneratedIds((model.placeholder_id,), "")
    encodable = [place if isinstance(segment, MediaSlot) else segment for segment in segments]
    runs: list[_Run] = [("", ())]
    for segment, ids in zip(segments, model.tokenizer.encode_segments(encodable), strict=True):
        if isinstance(segment, MediaSlot):
            runs.append(("", ()))
        else:
            runs[-1] = runs[-1][0] + RenderedPrompt((segment,)).text(), (*runs[-1][1], *ids)
    return runs


def _span(model: FamilyModel, span: MediaSpan) -> str:
    """The placeholder and how often it stands, between those of a begin and an end that are media too."""
    place = _decoded(model, (model.placeholder_id,)) or "(media)"
    if model.placeholder_edges is None:
        return f"{place}x{span.length}"
    first, last = (_decoded(model, (edge,)) for edge in model.placeholder_edges)
    return f"{first}{place}x{span.length - 2}{last}"


def _around(model: FamilyModel, ids: Sequence[int], run: _Run) -> str:
    """What stands between two media: the prompt's own text, and the family's tags around it."""
    text, encoded = run
    for start in range(len(ids) - len(encoded) + 1):
        end = start + len(encoded)
        if tuple(ids[start:end]) == encoded:
            return _decoded(model, ids[:start]) + text + _decoded(model, ids[end:])
    return _decoded(model, ids)


def _decoded(model: FamilyModel, ids: Sequence[int]) -> str:
    return model.tokenizer.decode(ids, skip_special_tokens=False)


def _runs(ids: Sequence[int]) -> Iterator[str]:
    """The ids; many equal ones in a row as one with their number."""
    for id_, group in groupby(ids):
        count = sum(1 for _ in group)
        yield from [f"{id_}x{count}"] if count >= _RUN else [str(id_)] * count


def _grid(grid: list[int] | None) -> str:
    return "" if grid is None else f"{grid[0]}x{grid[1]}"


def _or_empty(value: object) -> object:
    return "" if value is None else value
