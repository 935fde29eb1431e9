"""Rotary positions whose frequencies depend on the length of a sequence's prompt.

LongRoPE (Phi-3) has short factors for sequences of up to ``original_max_position_embeddings`` tokens and long ones for
all positions of longer sequences. lmdeploy picks them by the longest sequence of a batch, so that an answer depends on
its neighbours, and chunks and cached keys of one sequence can be made with different factors. Here each sequence has a
*level* (0: short, 1: long), fixed by its whole prompt:

- The scheduler's side (:func:`attach`) works the level out and packs it into the upper half of the position ids,
  ``level << 32 | position``, which lmdeploy carries as multimodal position ids through chunks, batches, eviction and
  decoding. Cached prefixes are kept apart by level, because keys depend on it.
- The model's side (:func:`use_longrope`) looks frequencies up by level: plain indexing of fixed buffers, without
  waiting for the device, so that it can be captured in a CUDA graph. The model's configuration for lmdeploy needs
  ``use_mrope = True``.

A request that grows over the limit while decoding is the caller's: let it generate at most
:func:`tokens_before_crossing` tokens, then submit prompt and answer as a new prompt, as transformers computes
everything again at this point. One request is one lmdeploy session.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from lmdeploy.pytorch.messages import UpdateTokenMode
from lmdeploy.pytorch.prefix_cache_state import MultimodalSpan
from lmdeploy.pytorch.strategies.ar.sequence import ARSequenceStrategy, SchedulerSequenceDefault
from torch import nn

from vlmplug.engine.compatibility import Needed
from vlmplug.engine.positions import with_stored_positions
from vlmplug.errors import EngineOptionError

NEEDED = (
    Needed("lmdeploy.pytorch.messages", "SequenceMeta"),
    Needed("lmdeploy.pytorch.messages", "SchedulerSequence._update_mrope_pos_ids"),
    Needed("lmdeploy.pytorch.messages", "SchedulerSequence.mrope_pos_ids"),
    Needed("lmdeploy.pytorch.model_inputs", "StepContext"),
    Needed("lmdeploy.pytorch.prefix_cache_state", "MultimodalSpan", ("start", "end", "modality", "content_hash")),
    Needed("lmdeploy.pytorch.strategies.ar.sequence", "ARSequenceStrategy.make_sequence", ("seq_id", "session")),
    Needed(
        "lmdeploy.pytorch.strategies.ar.sequence", "SchedulerSequenceDefault.update_token_ids", ("token_ids", "mode")
    ),
)
"""All of lmdeploy that rotary levels rely on."""

LEVEL_SHIFT = 32
"""Bits of a packed position id below its level."""

LevelRule = Callable[[int], int]
"""From the number of a prompt's tokens to the level of its sequence."""


def crossing_limit(text_config: Mapping[str, Any]) -> int | None:
    """Most tokens of a sequence with short factors, None where the frequencies do not depend on the length.

    :param text_config: the language model's configuration, as transformers 5 (``rope_parameters``) or 4
        (``rope_scaling``) writes it.
    :raises EngineOptionError: LongRoPE without its limit.
    """
    rope = _rope_parameters(text_config)
    if rope.get("rope_type", rope.get("type")) not in ("longrope", "su"):
        return None
    field = "original_max_position_embeddings"
    limit = rope.get(field, text_config.get(field))
    if limit is None:
        raise EngineOptionError(
            f"The language model's LongRoPE says nothing of {field}.", "Take it from the official configuration."
        )
    return int(limit)


def tokens_before_crossing(prompt_tokens: int, limit: int) -> int | None:
    """Most tokens that a prompt may generate before its frequencies would change; None: they will not change."""
    return None if prompt_tokens > limit else limit + 1 - prompt_tokens


def attach(engine: Any, text_config: Mapping[str, Any]) -> None:
    """Give each sequence of an engine its LongRoPE level; nothing to do for other models.

    :param engine: lmdeploy's ``Engine``, before its first request.
    """
    limit = crossing_limit(text_config)
    if limit is not None:
        attach_levels(engine, lambda prompt_tokens: int(prompt_tokens > limit))


def attach_levels(engine: Any, rule: LevelRule) -> None:
    """Give each sequence of an engine the level that a rule finds for its prompt.

    :param engine: lmdeploy's ``Engine``, before its first request; only its scheduler changes, workers just see
        position ids.
    """
    engine.scheduler.seq_meta.strategy = _LevelStrategy(rule)


def use_longrope(language_model: nn.Module, text_config: Mapping[str, Any]) -> None:
    """Make one of lmdeploy's language models take its factors by level; nothing to do for other models.

    :param language_model: with ``model.rotary_emb`` and ``prepare_inputs_for_generation``.
    """
    if crossing_limit(text_config) is not None:
        device = next(language_model.parameters()).device
        use_levels(language_model, longrope_rotary(text_config, device))


def use_levels(language_model: Any, rotary: LevelledRotary) -> None:
    """Put a rotary module into one of lmdeploy's language models, and packed position ids into its inputs."""
    theirs = language_model.prepare_inputs_for_generation

    def prepare_inputs_for_generation(*arguments: Any, context: Any = None, **named: Any) -> dict[str, Any]:
        context = arguments[2] if len(arguments) > 2 else context
        inputs: dict[str, Any] = theirs(*arguments[:2], context=context, **named)
        return with_stored_positions(inputs, context)

    language_model.model.rotary_emb = rotary
    language_model.prepare_inputs_for_generation = prepare_inputs_for_generation


def longrope_rotary(text_config: Mapping[str, Any], device: torch.device | str) -> LevelledRotary:
    """LongRoPE's frequencies, level 0 with short factors and level 1 with long ones.

    :raises EngineOptionError: the configuration has no LongRoPE.
    """
    limit, rope = crossing_limit(text_config), _rope_parameters(text_config)
    if limit is None:
        raise EngineOptionError("The language model's configuration has no LongRoPE.")
    head = text_config.get("head_dim") or text_config["hidden_size"] // text_config["num_attention_heads"]
    width = int(head * rope.get("partial_rotary_factor", text_config.get("partial_rotary_factor") or 1.0))
    base = rope.get("rope_theta", text_config.get("rope_theta", 10000.0))
    factors = torch.tensor([rope["short_factor"], rope["long_factor"]], dtype=torch.float32)
    frequencies = 1.0 / (factors * base ** (torch.arange(0, width, 2, dtype=torch.int64).float() / width))
    scale = _attention_factor(rope, text_config["max_position_embeddings"], limit)
    return LevelledRotary(frequencies.to(device), scale)


def _rope_parameters(text_config: Mapping[str, Any]) -> Mapping[str, Any]:
    return text_config.get("rope_parameters") or text_config.get("rope_scaling") or {}


def _attention_factor(rope: Mapping[str, Any], positions: int, limit: int) -> float:
    """Factor of both tables: sqrt(1 + ln(growth) / ln(limit)) (Ding et al., "LongRoPE", 2024; transformers' rule)."""
    given = rope.get("attention_factor")
    if given is not None:
        return float(given)
    growth = rope.get("factor") or positions / limit
    return 1.0 if growth <= 1.0 else math.sqrt(1 + math.log(growth) / math.log(limit))


class LevelledRotary(nn.Module):
    """Rotary tables whose frequencies are chosen token by token, by the level in the position id.

    :param frequencies: float32 ``[levels, width / 2]``, on the device from the start: nothing may be copied while a
        CUDA graph is captured.
    :param scale: factor of both tables.
    """

    frequencies: torch.Tensor

    def __init__(self, frequencies: torch.Tensor, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.scale = scale

    def forward(self, x: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines ``[batch, tokens, width]`` in the dtype of ``x``.

        :param position_ids: packed, int64 ``[batch, tokens]``.
        """
        positions = (position_ids & ((1 << LEVEL_SHIFT) - 1)).float()
        angles = positions.unsqueeze(-1) * self.frequencies[position_ids >> LEVEL_SHIFT]
        angles = torch.cat((angles, angles), dim=-1)
        return (angles.cos() * self.scale).to(x.dtype), (angles.sin() * self.scale).to(x.dtype)


class _LevelSequence(SchedulerSequenceDefault):  # type: ignore[misc]
    """A sequence that knows its level for life: chunks, prefix hits, eviction and decoding all see the same."""

    level_rule: LevelRule
    level = 0

    def update_token_ids(
        self, token_ids: Any, *others: Any, mode: UpdateTokenMode = UpdateTokenMode.INPUTS, **named: Any
    ) -> None:
        if mode == UpdateTokenMode.INPUTS:
            self.level = self.level_rule(self.num_all_ids + len(token_ids))
            self._keep_prefixes_apart()
        super().update_token_ids(token_ids, *others, mode=mode, **named)

    def _keep_prefixes_apart(self) -> None:
        """Keys depend on the level: its first block gets another identity, and all that follow it."""
        if self.level and self._seq_meta.enable_prefix_caching:
            self.prefix_cache.multimodal_spans.append(MultimodalSpan(0, 1, "rope", str(self.level)))

    def _update_mrope_pos_ids(self) -> None:
        """Nothing to store: positions follow from the lengths."""

    @property
    def mrope_pos_ids(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Packed position ids of the tokens to be computed, ``[tokens, 3]`` with three equal columns."""
        positions = np.arange(self.num_history_ids, self.num_all_ids, dtype=np.int64) + (self.level << LEVEL_SHIFT)
        return np.repeat(positions[:, None], 3, axis=1)


class _LevelStrategy(ARSequenceStrategy):  # type: ignore[misc]
    """lmdeploy's strategy of plain decoding, with sequences that have levels."""

    def __init__(self, rule: LevelRule) -> None:
        self._rule = rule

    def make_sequence(self, **fields: Any) -> _LevelSequence:
        """One sequence; the fields are lmdeploy's."""
        sequence = _LevelSequence(**fields)
        sequence.level_rule = self._rule
        return sequence
