"""Position ids other than 0..n-1, carried by lmdeploy's scheduler.

lmdeploy keeps three rows of position ids for models with multimodal rotary embeddings (``use_mrope``): for each media
item those that a request brings, for text those that count on. They survive chunks, hits in the prefix cache and
eviction, decoding counts on from the last one, and CUDA graphs have a buffer for them. Here the three rows are equal,
and the first one is the position id of an ordinary rotary embedding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vlmplug.engine.compatibility import Needed
from vlmplug.errors import EngineOptionError, RequestError
from vlmplug.model import EngineInput

NEEDED = (
    Needed("lmdeploy.pytorch.config", "ModelConfig", ("use_mrope",)),
    Needed("lmdeploy.pytorch.messages", "SchedulerSequence._update_mrope_pos_ids"),
    Needed("lmdeploy.pytorch.messages", "SchedulerSequence.mrope_pos_ids"),
    Needed("lmdeploy.pytorch.model_inputs", "StepContext", ("mrope_position_ids",)),
    Needed("lmdeploy.pytorch.multimodal.data_type", "MultiModalData", ("mrope_pos_ids",)),
)
"""All of lmdeploy that stored positions rely on."""

_ROWS = 3


def check_positions(prompt: EngineInput, own_positions: bool) -> None:
    """Checks that the scheduler can carry the positions of a prompt.

    :param own_positions: whether the model has position ids of its own.
    :raises RequestError: it has none, their number is not that of the ids, or those of text do not count on.
    """
    given = prompt.position_ids
    if given is None or given == tuple(range(len(prompt.input_ids))):
        return
    if not own_positions:
        raise RequestError("This model takes prompts with positions 0..n-1 only.", "Leave position_ids out.")
    if len(given) != len(prompt.input_ids) or min(given) < 0:
        raise RequestError(
            f"The prompt has {len(prompt.input_ids)} ids and {len(given)} positions from {min(given, default=0)}.",
            "Give one position for each id, from 0.",
        )
    for start, end in _texts(prompt):
        first = given[start - 1] + 1 if start else 0
        if given[start:end] != tuple(range(first, first + end - start)):
            raise RequestError(
                f"The positions of the text from {start} to {end - 1} do not count on from {first}.",
                "Check the plugin's inject hook: only positions inside spans are free.",
            )


def stored_positions(prompt: EngineInput, start: int, end: int) -> npt.NDArray[np.int64]:
    """Positions of a media item as lmdeploy takes them: int64 [end - start, 3], less what text would have at ``start``.

    :param start: first place of its first span. ``end``: behind the last place of its last one.
    """
    given = prompt.position_ids
    own: Sequence[int] = range(end - start)
    if given is not None:
        first = given[start - 1] + 1 if start else 0
        own = [position - first for position in given[start:end]]
    return np.repeat(np.asarray(own, np.int64)[:, None], _ROWS, axis=1)


def identity(content_hash: str, positions: npt.NDArray[np.int64]) -> str:
    """What tells a span in the prefix cache: its keys depend on its positions, and so do those of all that follows."""
    return hashlib.sha256(content_hash.encode() + positions.tobytes()).hexdigest()


def with_stored_positions(inputs: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Inputs of a language model's step with the scheduler's positions in the place of 0..n-1.

    :param context: lmdeploy's ``StepContext``.
    """
    stored = context.mrope_position_ids
    # lmdeploy's CUDA graphs want all three rows whenever use_mrope is set
    return {**inputs, "position_ids": stored[:1].contiguous(), "mrope_position_ids": stored}


def check_carried(own_positions: bool, crossing_limit: int | None) -> None:
    """Checks that a model wants the scheduler's positions for one purpose only.

    :param crossing_limit: where its rotary factors change; None: nowhere.
    :raises EngineOptionError: they would have to tell the level of the factors too.
    """
    if own_positions and crossing_limit is not None:
        raise EngineOptionError(
            "The model has positions of its own and LongRoPE factors that depend on the prompt's length.",
            "This engine carries one of the two.",
        )


def _texts(prompt: EngineInput) -> list[tuple[int, int]]:
    """Start and end of each run of text, those between neighbouring spans empty."""
    ends = [0, *(span.start + span.length for span in prompt.spans)]
    starts = [*(span.start for span in prompt.spans), len(prompt.input_ids)]
    return list(zip(ends, starts, strict=True))
