"""The official language model word by word, in float32, without a cache and without batches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from vlmplug.config_json import read_config
from vlmplug.engine.tower import load_tower
from vlmplug.model import EngineInput, FamilyModel, MediaInput

Weights = Mapping[str, Tensor]


class NativeModel:
    """Tower and language model of a checkpoint; the factor of dynamic NTK is that of the prompt alone."""

    def __init__(self, model: FamilyModel) -> None:
        self.config = read_config(model.folder)
        self.weights: Weights = load_file(model.folder / "model.safetensors")
        self.tower = load_tower(model)
        self._known: dict[str, Tensor] = {}

    @torch.inference_mode()
    def logits(self, prompt: EngineInput, answer: Sequence[int] = (), alpha: float | None = None) -> Tensor:
        """Logits behind a prompt and the beginning of its answer, [vocabulary].

        :param alpha: factor of the rotary base; None: that of the prompt's length.
        """
        tables = self._tables(len(prompt.input_ids) + len(answer), alpha or self.alpha(len(prompt.input_ids)))
        hidden = self.weights["transformer.wte.weight"][torch.tensor([*prompt.input_ids, *answer])]
        for span in prompt.spans:
            hidden[span.start : span.start + span.length] = self._features(prompt.media[span.item])
        for number in range(self.config["num_hidden_layers"]):
            hidden = self._layer(f"transformer.h.{number}", hidden, tables)
        return self._norm("transformer.ln_f", hidden[-1:])[0] @ self.weights["lm_head.weight"].T

    def greedy(self, prompt: EngineInput, tokens: int) -> tuple[int, ...]:
        """The likeliest tokens, one after the other."""
        answer: list[int] = []
        for _ in range(tokens):
            answer.append(int(self.logits(prompt, answer).argmax()))
        return tuple(answer)

    def alpha(self, length: int) -> float:
        """``get_ntk_alpha`` of the official code."""
        context = math.log(length / self.config["seq_length"], 2) + 1
        return max(2 ** math.ceil(context) - 1, 1)

    def _features(self, media: MediaInput) -> Tensor:
        if media.content_hash not in self._known:
            self._known[media.content_hash] = self.tower(torch.from_numpy(media.pixels))[0]
        return self._known[media.content_hash]

    def _tables(self, length: int, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
        """Cosines, sines, and the factors of queries."""
        width, trained = self.config["kv_channels"], self.config["seq_length"]
        base = self.config["rotary_emb_base"] * alpha ** (width / (width - 2))
        angles = torch.outer(torch.arange(length).float(), base ** (-torch.arange(0, width, 2).float() / width))
        factors = [math.log(place, trained) if place > trained else 1.0 for place in range(1, length + 1)]
        return angles.cos(), angles.sin(), torch.tensor(factors)

    def _layer(self, name: str, hidden: Tensor, tables: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        hidden = hidden + self._attention(name, self._norm(f"{name}.ln_1", hidden), tables)
        normed = self._norm(f"{name}.ln_2", hidden)
        gated = self._linear(f"{name}.mlp.w1", normed) * F.silu(self._linear(f"{name}.mlp.w2", normed))
        return hidden + self._linear(f"{name}.mlp.c_proj", gated)

    def _attention(self, name: str, hidden: Tensor, tables: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        heads = self.config["num_attention_heads"]
        parts = (self._linear(f"{name}.attn.c_attn", hidden) + self.weights[f"{name}.attn.c_attn.bias"]).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (heads, -1)).transpose(0, 1) for part in parts)
        query, key = rotated(query, *tables[:2]) * tables[2][:, None], rotated(key, *tables[:2])
        scores = query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])
        hidden_ones = torch.ones(len(hidden), len(hidden), dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(hidden_ones, -math.inf).softmax(-1) @ value
        return self._linear(f"{name}.attn.c_proj", mixed.transpose(0, 1).flatten(1))

    def _linear(self, name: str, hidden: Tensor) -> Tensor:
        return hidden @ self.weights[f"{name}.weight"].T

    def _norm(self, name: str, hidden: Tensor) -> Tensor:
        scale = hidden.square().mean(-1, keepdim=True) + self.config["layer_norm_epsilon"]
        return hidden * scale.rsqrt() * self.weights[f"{name}.weight"]


def rotated(states: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Pairs of the two halves turned: [heads, tokens, width]."""
    first, second = states.chunk(2, -1)
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], -1)
