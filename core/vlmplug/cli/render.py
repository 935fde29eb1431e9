"""``vlmplug render``: the exact prompt of a question, its ids, and where the vision embeddings go."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

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
    from vlmplug.prompt import Segment

#: Equal ids in a row that are written as one with their number.
_RUN = 4


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
        "tiles": len(media.pixels),
        "grid": None if media.grid is None else list(media.grid),
        "options": dict(item.options),
    }


def prompt_text(model: FamilyModel, prepared: Prepared) -> str:
    """The prompt; each place of media as its tags and the number of positions between them."""
    return "".join(_shown(model, prepared))


def _shown(model: FamilyModel, prepared: Prepared) -> Iterator[str]:
    from vlmplug.prompt import MediaSlot, RenderedPrompt

    spans = {span.item: span for span in prepared.engine_input.spans}
    segments, item = prepared.prompt.segments, 0
    for number, segment in enumerate(segments):
        if isinstance(segment, MediaSlot):
            own = [spans[item + offset] for offset in range(len(segment.items))]
            yield _slot(model, prepared.engine_input.input_ids, own, _neighbours(segments, number))
            item += len(segment.items)
        else:
            yield RenderedPrompt((segment,)).text()


def _slot(model: FamilyModel, ids: Sequence[int], spans: list[MediaSpan], neighbours: tuple[str, str]) -> str:
    """Special tokens next to the spans are the slot's own tags, unless the prompt names them beside the slot."""
    names = {id_: token for token, id_ in model.tokenizer.special_tokens.items()}
    begin, end = spans[0].start, spans[-1].start + spans[-1].length
    before = names.get(ids[begin - 1], "") if begin else ""
    after = names.get(ids[end], "") if end < len(ids) else ""
    inner = "".join(_span(model, names, span) for span in spans)
    return f"{'' if before == neighbours[0] else before}{inner}{'' if after == neighbours[1] else after}"


def _span(model: FamilyModel, names: Mapping[int, str], span: MediaSpan) -> str:
    """The placeholder and how often it stands, between those of a begin and an end that are media too."""
    place = names.get(model.placeholder_id, "(media)")
    if model.placeholder_edges is None:
        return f"{place}x{span.length}"
    first, last = (names.get(edge, "(media)") for edge in model.placeholder_edges)
    return f"{first}{place}x{span.length - 2}{last}"


def _neighbours(segments: Sequence[Segment], number: int) -> tuple[str, str]:
    """The special tokens that the prompt itself names before and behind a segment; empty where it names none."""
    before = segments[number - 1] if number else None
    after = segments[number + 1] if number + 1 < len(segments) else None
    return getattr(before, "token", ""), getattr(after, "token", "")


def _runs(ids: Sequence[int]) -> Iterator[str]:
    """The ids; many equal ones in a row as one with their number."""
    for id_, group in groupby(ids):
        count = sum(1 for _ in group)
        yield from [f"{id_}x{count}"] if count >= _RUN else [str(id_)] * count


def _grid(grid: list[int] | None) -> str:
    return "" if grid is None else f"{grid[0]}x{grid[1]}"


def _or_empty(value: object) -> object:
    return "" if value is None else value
