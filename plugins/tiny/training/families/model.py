"""The model in training: a family's tower and transformers' kin of its language model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from training.families.description import TinyFamily
from training.families.packing import Layout
from training.families.partial_lora import mask_of
from training.families.towers import initialise
from training.model import places, tree_mask
from vlmplug.model import FamilyModel


class FamilyNetwork(nn.Module):
    """``tower`` and ``language``; reads batches of packed rows.

    :param model: what the family's plugin says about the configuration.
    """

    def __init__(self, family: TinyFamily, model: FamilyModel) -> None:
        super().__init__()
        self.layout = Layout.of(family)
        self.tower = family.architecture.tower(model.tower.config)
        self.language: Any = family.architecture.language(model.text_config)
        self.media = mask_of(self.language)

    def features(self, batch: Mapping[str, Tensor]) -> Tensor:
        """What the tower says about all tiles of a batch: [blocks * rows of a block, hidden]."""
        groups = [self.tower(batch[name]).unflatten(0, (-1, most)) for name, _, most in self.layout.groups]
        return torch.cat([group.flatten(1, 2) for group in groups], 1).flatten(0, 1)

    def embed(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Word embeddings [rows, length, hidden], the tower's features where a batch says so."""
        words: Tensor = self.language.get_input_embeddings()(batch["tokens"])
        seen = self.features(batch)
        flat = torch.cat([words.flatten(0, 1), words.new_zeros(1, words.shape[-1])])
        placed = flat.index_copy(0, places(batch["features"], len(seen)), seen.to(words.dtype))
        return placed[:-1].view_as(words)

    def show(self, media: Tensor) -> None:
        """Tells the language model, where it wants to know, which positions hold media: bool [rows, length]."""
        if self.media is not None:
            self.media.positions = media

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Logits [rows, length, vocabulary]."""
        inputs = self.embed(batch)
        self.show(batch["features"] >= 0)
        kind = inputs.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else inputs.dtype
        hidden = self.language.model(
            inputs_embeds=inputs,
            attention_mask=tree_mask(batch["trees"], batch["branches"], dtype),
            position_ids=batch["positions"],
            use_cache=False,
        ).last_hidden_state
        logits: Tensor = self.language.lm_head(hidden)
        return logits


def new_network(family: TinyFamily, model: FamilyModel, seed: int = 0) -> FamilyNetwork:
    """A network with random weights, always the same for a seed."""
    torch.manual_seed(seed)
    network = FamilyNetwork(family, model)
    initialise(network.tower)
    return network


def official_weights(family: TinyFamily, network: FamilyNetwork) -> dict[str, Tensor]:
    """The weights under the official names, in bfloat16."""
    halves = (dict(half.named_parameters()) for half in (network.tower, network.language))
    named = family.architecture.official(*halves)
    return {name: tensor.detach().to(torch.bfloat16).contiguous() for name, tensor in named.items()}
