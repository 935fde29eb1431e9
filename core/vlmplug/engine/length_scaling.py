"""Attention that changes with the length of a prompt: dynamic NTK by sequence, and log-n on queries.

Qwen (2023) takes the base of its rotary frequencies from the length of the prompt and keeps it while it answers, and
makes queries past the trained length longer (official ``modeling_qwen.py``). lmdeploy's dynamic NTK goes by the longest
sequence of a batch, and it has no log-n. Here each sequence has a *level*, which `vlmplug.engine.rope` carries in the
upper half of its position ids: through chunks, batches, eviction, decoding and CUDA graphs, with cached prefixes of
several levels kept apart.

Log-n needs positions only, so that answers which grow past the trained length are right, too. Keys stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from vlmplug.engine.compatibility import Needed
from vlmplug.engine.rope import LEVEL_SHIFT, LevelledRotary, attach_levels, crossing_limit, use_levels
from vlmplug.errors import EngineOptionError
from vlmplug.model import FamilyModel, LengthScaling

NEEDED = (
    Needed("lmdeploy.pytorch.nn.rotary_embedding", "ApplyRotaryEmb.forward", ("query", "key", "cos", "sin", "inplace")),
    Needed("lmdeploy.pytorch.models.qwen2", "Qwen2Attention.forward", ("rotary_pos_emb",)),
)
"""All of lmdeploy that this module relies on beyond `vlmplug.engine.rope`."""


#: What `ntk_frequencies` reads of a text configuration.
_READ = ("head_dim", "max_position_embeddings", "rope_parameters")


def check_scaling(model: FamilyModel) -> None:
    """Checks that length scaling can be carried: the scheduler's positions serve one purpose only.

    :raises EngineOptionError: they would have to carry two things, or the text configuration lacks a number.
    """
    if model.length_scaling is None:
        return
    if missing := [name for name in _READ if not model.text_config.get(name)]:
        raise EngineOptionError(f"text_config has no {missing[0]}, which length scaling needs.", "Report it.")
    if model.own_positions or crossing_limit(model.text_config) is not None:
        raise EngineOptionError(
            "The model's attention depends on the prompt's length, and it has own positions or LongRoPE factors.",
            "This engine carries one of them.",
        )


def level_of(prompt_tokens: int, trained_length: int) -> int:
    """How often the trained length has to be doubled to hold a prompt: the official ceil(log2(prompt / trained))."""
    return ((prompt_tokens - 1) // trained_length).bit_length()


def attach(engine: Any, scaling: LengthScaling | None) -> None:
    """Give each sequence of an engine its level; nothing to do for models without length scaling.

    :param engine: lmdeploy's ``Engine``, before its first request.
    """
    if scaling is None:
        return
    trained = scaling.trained_length
    attach_levels(engine, (lambda tokens: level_of(tokens, trained)) if scaling.dynamic_ntk else (lambda tokens: 0))


def use(language_model: Any, text_config: Mapping[str, Any], scaling: LengthScaling) -> None:
    """Make one of lmdeploy's language models scale its attention.

    :param language_model: with ``model.rotary_emb`` and ``model.layers[i].self_attn.apply_rotary_pos_emb``.
    """
    device = next(language_model.parameters()).device
    frequencies = ntk_frequencies(text_config, scaling).to(device)
    if not scaling.log_n:
        use_levels(language_model, LevelledRotary(frequencies))
        return
    rotary = LengtheningRotary(frequencies, scaling.trained_length)
    use_levels(language_model, rotary)
    for layer in language_model.model.layers:
        attention = layer.self_attn
        attention.apply_rotary_pos_emb = RotateAndLengthen(attention.apply_rotary_pos_emb, rotary)


def ntk_frequencies(text_config: Mapping[str, Any], scaling: LengthScaling) -> torch.Tensor:
    """Rotary frequencies by level, float32 [levels, head size / 2], for all prompts that the model takes."""
    width = text_config["head_dim"]
    base = text_config["rope_parameters"]["rope_theta"]
    highest = level_of(text_config["max_position_embeddings"], scaling.trained_length) if scaling.dynamic_ntk else 0
    exponents = torch.arange(0, width, 2).float() / width
    bases = [base * (2.0 ** (level + 1) - 1) ** (width / (width - 2)) for level in range(highest + 1)]
    return torch.stack([1.0 / other**exponents for other in bases])


class LengtheningRotary(LevelledRotary):
    """Rotary tables by level; keeps the factors of this step's queries for `RotateAndLengthen`.

    ``factors``: [tokens, 1, 1] of the step that runs. They are made once a step, inside the CUDA graph where there is
    one, and read by every layer.
    """

    def __init__(self, frequencies: torch.Tensor, trained_length: int) -> None:
        super().__init__(frequencies)
        self._log_trained = math.log(trained_length)
        self.factors = torch.ones(1, 1, 1)

    def forward(self, x: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines ``[batch, tokens, width]`` in the dtype of ``x``.

        :param position_ids: packed, int64 ``[1, tokens]``.
        """
        counted = (position_ids[0] & ((1 << LEVEL_SHIFT) - 1)) + 1
        factors = (counted.float().log() / self._log_trained).clamp(min=1.0)
        self.factors = factors[:, None, None].to(x.dtype)
        return super().forward(x, position_ids)


class RotateAndLengthen(nn.Module):
    """In the place of lmdeploy's ``ApplyRotaryEmb``: queries past the trained length are longer behind the rotation."""

    def __init__(self, rotate: nn.Module, rotary: LengtheningRotary) -> None:
        super().__init__()
        self.rotate = rotate
        self._rotary = (rotary,)  # in a tuple: no submodule of each layer

    def forward(
        self, query: torch.Tensor, key: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, inplace: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """lmdeploy's signature; queries and keys are [tokens, heads, head size]."""
        query, key = self.rotate(query, key, cos, sin, inplace=inplace)
        return query.mul_(self._rotary[0].factors), key
