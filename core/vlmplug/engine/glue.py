"""The one model class that lmdeploy sees: its own language model, our vision tower, features scattered by offset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from lmdeploy.pytorch.engine.input_process import DefaultModelInputProcessor
from lmdeploy.pytorch.model_inputs import StepContext, StepContextManager
from lmdeploy.pytorch.models.patch import build_model_from_hf_config
from lmdeploy.pytorch.models.utils.cudagraph import CudaGraphMixin
from lmdeploy.pytorch.models.utils.model import DeployModelMixinV1
from lmdeploy.pytorch.multimodal.data_type import MultiModalData
from torch import Tensor, nn

from vlmplug.engine import length_scaling, partial_lora, rope
from vlmplug.engine.awq import stored_shapes
from vlmplug.engine.compatibility import Needed
from vlmplug.engine.config import VlmplugConfig
from vlmplug.engine.device import keep_float32_exact
from vlmplug.engine.fused_qkv import separated
from vlmplug.engine.positions import with_stored_positions
from vlmplug.engine.random_weights import random_weights
from vlmplug.engine.tower import build_tower, fill_tower
from vlmplug.engine.tower_rows import TowerItem, item_rows
from vlmplug.engine.tower_weights import computed_weights
from vlmplug.engine.weight_names import WeightRoute
from vlmplug.errors import WeightsError
from vlmplug.import_path import load
from vlmplug.model import LengthScaling, TowerSpec

NEEDED = (
    Needed("lmdeploy.pytorch.engine.input_process", "DefaultModelInputProcessor"),
    Needed("lmdeploy.pytorch.models.patch", "build_model_from_hf_config", ("dtype", "device", "ctx_mgr")),
    Needed("lmdeploy.pytorch.models.utils.cudagraph", "CudaGraphMixin"),
    Needed("lmdeploy.pytorch.models.utils.model", "DeployModelMixinV1"),
    Needed("lmdeploy.pytorch.multimodal.data_type", "MultiModalData", ("data", "start", "end", "content_hash")),
    Needed("lmdeploy.pytorch.nn.linear.awq", "AwqLinear.create_weights", ("in_features", "out_features", "group_size")),
)


#: What integers hold until a weight overwrites them.
_MISSING = -0x21524111


class VlmplugForConditionalGeneration(nn.Module, DeployModelMixinV1, CudaGraphMixin):  # type: ignore[misc]
    """Any family's model. The tower is replicated on every rank; lmdeploy shards the language model."""

    def __init__(
        self,
        config: VlmplugConfig,
        ctx_mgr: StepContextManager,
        dtype: torch.dtype | None = None,
        device: torch.device | None = None,
    ) -> None:
        super().__init__()
        self.config, self.ctx_mgr = config, ctx_mgr
        dtype, device = dtype or torch.get_default_dtype(), torch.device(device or "cuda")
        keep_float32_exact(dtype, device)
        self.route: WeightRoute = load(config.weight_route)
        self.language_model = build_model_from_hf_config(
            config.text_config, dtype=dtype, device=device, ctx_mgr=ctx_mgr
        )
        rope.use_longrope(self.language_model, vars(config.text_config))
        if (scaling := config.engine.get("length_scaling")) is not None:
            length_scaling.use(self.language_model, vars(config.text_config), LengthScaling(**scaling))
        partial_lora.attach(self.language_model, vars(config.text_config), ctx_mgr)
        self.vision = build_tower(TowerSpec(**config.tower), dtype, device)
        self._missing = set(self.vision.state_dict()) - set(computed_weights(self.vision))
        _mark_as_missing(self.language_model)

    def get_input_embeddings(self) -> nn.Module:
        """Word embeddings of the language model."""
        embeddings: nn.Module = self.language_model.get_input_embeddings()
        return embeddings

    def get_logits(self, hidden_states: Tensor) -> Tensor:
        """Head of the language model."""
        logits: Tensor = self.language_model.get_logits(hidden_states)
        return logits

    def get_input_processor(self) -> DefaultModelInputProcessor:
        """Requests carry ready media: nothing is left to do in the engine's loop, where an error would stop it."""
        return DefaultModelInputProcessor()

    def forward(
        self,
        input_ids: Tensor,
        position_ids: Tensor,
        past_key_values: list[list[Tensor]],
        attn_metadata: Any = None,
        inputs_embeds: Tensor | None = None,
        mrope_position_ids: Tensor | None = None,
        **step: Any,
    ) -> Tensor:
        """The language model's own step, so that CUDA graphs see nothing new; ``step`` is lmdeploy's, untouched.

        ``mrope_position_ids`` ends here: its first row is ``position_ids``, which is all that the models here read.
        """
        out: Tensor = self.language_model(
            input_ids=input_ids,
            position_ids=position_ids,
            past_key_values=past_key_values,
            attn_metadata=attn_metadata,
            inputs_embeds=inputs_embeds,
            **step,
        )
        return out

    def prepare_inputs_for_generation(
        self, past_key_values: list[list[Tensor]], inputs_embeds: Tensor | None = None, context: StepContext = None
    ) -> dict[str, Any]:
        """lmdeploy's inputs of one step, with media rows in place of word embeddings where this step holds media."""
        if context.input_multimodals is not None:
            inputs_embeds = self.embed(context)
            # some of lmdeploy's models would look for the media themselves, by token id (ChatGLM)
            context = replace(context, input_multimodals=None)
        inputs: dict[str, Any] = self.language_model.prepare_inputs_for_generation(
            past_key_values, inputs_embeds, context
        )
        return with_stored_positions(inputs, context) if self.config.engine["own_positions"] else inputs

    def embed(self, context: StepContext) -> Tensor:
        """Embeddings [1, tokens of this prefill, hidden]; media rows go to their explicit offsets.

        Token ids are never looked at, so text can hold the placeholder's id or string; the device is never waited for.
        """
        placed = [
            (sequence, item)
            for sequence, media in enumerate(context.input_multimodals)
            for items in media.values()
            for item in items
        ]
        embeds: Tensor = self.get_input_embeddings()(context.input_ids)
        if placed:
            features, rows = self.tower_features([item for _, item in placed]), media_rows(placed, context)
            embeds[0].index_copy_(0, rows, torch.cat(features).to(embeds.dtype))
            partial_lora.set_rows(context, rows)
        return embeds

    def tower_features(self, items: Sequence[MultiModalData]) -> list[Tensor]:
        """One [rows, hidden] tensor an item, computed in bounded pieces."""
        views = [TowerItem(item.data, item.meta["grid"]) for item in items]
        return item_rows(self.vision, views, self.config.engine["tower_tiles"])

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Called once for each weight file; names are the official ones."""
        if self.config.engine["weights"] == "random":
            self._draw_weights()
            return
        vision: list[tuple[str, Tensor]] = []
        self._load_language(self._language_weights(weights, vision))
        self._missing -= fill_tower(self.vision, vision)

    def _language_weights(
        self, weights: Iterable[tuple[str, Tensor]], vision: list[tuple[str, Tensor]]
    ) -> Iterable[tuple[str, Tensor]]:
        """Passes language weights on one by one, and sets the tower's aside in ``vision``."""
        for name, tensor in weights:
            part, inner = self.route(name)
            if part == "language":
                yield inner, tensor
            elif part == "vision":
                vision.append((inner, tensor))

    def _draw_weights(self) -> None:
        seed = self.config.engine["seed"]
        device = self.vision_device
        shapes = {name: tuple(tensor.shape) for name, tensor in self.vision.state_dict().items()}
        self._missing -= fill_tower(self.vision, random_weights(shapes, seed, device))
        text = stored_shapes(vars(self.config.text_config))
        self._load_language(random_weights(text, seed, device))

    def _load_language(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Low-rank additions are ours; lmdeploy's model would take their names for those of its own layers."""
        own = partial_lora.others_than_additions(self.language_model, weights)
        self.language_model.load_weights(separated(own, vars(self.config.text_config)))

    @property
    def vision_device(self) -> torch.device:
        """Where the tower's weights are."""
        return next(self.vision.parameters()).device

    def update_weights(self) -> None:
        """Nothing of ours is tied; the language model has its own."""

    def process_weights_after_loading(self) -> None:
        """Called once, after the last file.

        :raises WeightsError: a weight was never given, wholly or in part, or its values are no numbers.
        """
        holes = [name for name, tensor in self.language_model.named_parameters() if _has_hole(tensor)]
        missing = sorted(self._missing) + holes
        if missing:
            raise WeightsError(
                f"{len(missing)} weights are missing, wholly or in part, or hold values that are no numbers: "
                f"{', '.join(missing[:5])}.",
                "Use a complete checkpoint.",
            )


def media_rows(placed: Sequence[tuple[int, MultiModalData]], context: StepContext) -> Tensor:
    """Rows of the flattened prefill batch, int64, one for each feature row.

    ``start`` of an item counts from the beginning of its prompt, its runs from there; a sequence's first row in this
    batch is its offset minus what earlier chunks or the prefix cache have already put into the KV cache.
    """
    spans = [_positions(item) for _, item in placed]
    lengths = torch.tensor([len(span) for span in spans])
    sequences = torch.repeat_interleave(torch.tensor([sequence for sequence, _ in placed]), lengths)
    first = context.q_start_loc - context.vision_inputs.history_lengths
    absolute = torch.cat(spans).to(first.device, non_blocking=True)
    rows: Tensor = absolute + first[sequences.to(first.device, non_blocking=True)]
    return rows


def _positions(item: MultiModalData) -> Tensor:
    """Positions of the prompt, int64, that take the rows of an item."""
    runs = [torch.arange(offset, offset + length) for offset, length in item.meta["runs"]]
    positions: Tensor = item.start + torch.cat(runs)
    return positions


def _mark_as_missing(module: nn.Module) -> None:
    """What no weight overwrites stays visible afterwards."""
    for parameter in module.parameters():
        parameter.data.fill_(float("nan") if parameter.is_floating_point() else _MISSING)


def _has_hole(tensor: Tensor) -> bool:
    """Packed 4-bit numbers may have any value, but whole columns of one and the same come from no checkpoint."""
    if tensor.is_floating_point():
        return bool(tensor.isnan().any())
    return bool((tensor == _MISSING).all(0).any())
