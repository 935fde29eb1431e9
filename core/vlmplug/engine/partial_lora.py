"""Low-rank additions to linear layers that act at media positions alone (PLoRA of XComposer2.5).

lmdeploy's linear layers run the modules in their ``lora_adapters`` behind their own product and in front of the
all-reduce. Each module here adds to the rows of the current prefill that hold media, which the glue puts into the
step's context; a step without media, and so every decoding step and every CUDA graph, has none and adds nothing.

Tensor parallelism is the layer's own: where it is cut by columns, B is cut as its weight is, where it is cut by rows, A
is; the other half is whole on every rank.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from lmdeploy.pytorch.model_inputs import StepContext, StepContextManager
from lmdeploy.pytorch.nn.linear.base import LinearBase
from torch import Tensor, nn
from torch.nn import functional as F

from vlmplug.engine.compatibility import Needed
from vlmplug.engine.language_shapes import PARTIAL_LORA
from vlmplug.errors import EngineOptionError
from vlmplug.model import LowRank

_LINEAR = "lmdeploy.pytorch.nn.linear"
NEEDED = (
    Needed(f"{_LINEAR}.base", "LinearBase._forward_lora", ("x",)),
    Needed(f"{_LINEAR}.default", "BaseLinear.weight_loader", ("param", "loaded_weight")),
    Needed(f"{_LINEAR}.default", "MergedBaseLinear.weight_loader", ("param", "loaded_weight", "shard_id")),
    Needed(f"{_LINEAR}.default", "QKVBaseLinear.weight_loader", ("param", "loaded_weight", "shard_id")),
    Needed(f"{_LINEAR}.default", "QKVBaseLinear.weight_spliter", ("loaded_weight", "layout")),
    Needed("lmdeploy.pytorch.model_inputs", "StepContextManager.current_context"),
)
"""All of lmdeploy that low-rank additions rely on."""

_ADAPTER = "partial_lora"
_ROWS = "vlmplug_media_rows"
_WEIGHT = re.compile(r"(?P<path>.+)\.(?P<layer>\w+)\.Plora_(?P<half>[AB])\.weight")
#: By architecture, which layers of the checkpoint each of lmdeploy's linear layers holds.
_LAYERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "InternLM2ForCausalLM": {"wqkv": ("wqkv",), "wo": ("wo",), "gate_up_proj": ("w1", "w3"), "w2": ("w2",)}
}
_QKV = "wqkv"


class PartialLora(nn.Module):
    """The addition of one linear layer, or of several that lmdeploy keeps as one.

    :param linear: the layer that it is added to.
    :param layers: the checkpoint's names of the layers in it, in order.
    :param addition: rank and scale of each of them.
    """

    def __init__(
        self, linear: LinearBase, layers: Sequence[str], addition: LowRank, ctx_mgr: StepContextManager
    ) -> None:
        super().__init__()
        self.layers, self.rank, self.scale = tuple(layers), addition.rank, addition.scale
        self._linear, self._ctx_mgr = (linear,), ctx_mgr  # in a tuple, so that it is no part of this module
        self.widths: list[int] = [linear.out_features] if len(layers) == 1 else list(linear.all_out_features)
        like = {"dtype": linear.dtype, "device": linear.device}
        down = torch.empty(self.rank * len(layers), linear.in_features, **like)
        self.A = nn.Parameter(down, requires_grad=False)
        self.B = nn.Parameter(torch.empty(sum(self.widths), self.rank, **like), requires_grad=False)

    def forward(self, hidden: Tensor, out: Tensor) -> Tensor:
        """``out`` [batch, tokens, outputs] with the addition at media rows of ``hidden``, in place."""
        rows = media_rows(self._ctx_mgr.current_context())
        if rows is not None:
            out.view(-1, out.shape[-1]).index_add_(0, rows, self.addition(hidden.flatten(0, -2)[rows]).to(out.dtype))
        return out

    def addition(self, hidden: Tensor) -> Tensor:
        """[rows, inputs] -> [rows, outputs]; under tensor parallelism this rank's share of either."""
        low = F.linear(hidden, self.A) * self.scale
        pieces = zip(low.split(self.rank, -1), self.B.split(self.widths), strict=True)
        return torch.cat([F.linear(piece, up) for piece, up in pieces], -1)

    def load(self, layer: str, half: str, weight: Tensor) -> None:
        """Takes one matrix of the checkpoint, whole; keeps this rank's share."""
        if half == "A":
            self._load_a(self.layers.index(layer), weight)
        else:
            self._load_b(layer, weight)

    def _load_a(self, part: int, weight: Tensor) -> None:
        (linear,) = self._linear
        if linear.colwise:
            self.A.data[part * self.rank : (part + 1) * self.rank].copy_(weight)
        else:
            linear.weight_loader(self.A, weight)

    def _load_b(self, layer: str, weight: Tensor) -> None:
        (linear,) = self._linear
        if layer == _QKV:
            for share, piece in zip("qkv", linear.weight_spliter(weight, layout="hgd"), strict=True):
                linear.weight_loader(self.B, piece, share)
        elif len(self.layers) > 1:
            linear.weight_loader(self.B, weight, self.layers.index(layer))
        elif linear.colwise:
            linear.weight_loader(self.B, weight)
        else:
            self.B.data.copy_(weight)


def attach(language_model: nn.Module, text_config: Mapping[str, Any], ctx_mgr: StepContextManager) -> None:
    """Gives linear layers of a language model their additions; nothing to do for models that have none.

    :param text_config: what `vlmplug.engine.weights.language_config` returned.
    :raises EngineOptionError: a language model, or a layer of it, that additions are not carried for.
    """
    additions = {name: LowRank(**value) for name, value in (text_config.get(PARTIAL_LORA) or {}).items()}
    if not additions:
        return
    layers = _carrying(text_config["architectures"][0], additions)
    for path, linear in list(language_model.named_modules()):
        names = layers.get(path.rpartition(".")[2])
        if names and isinstance(linear, LinearBase):
            linear.lora_adapters[_ADAPTER] = PartialLora(linear, names, additions[names[0]], ctx_mgr)


def _carrying(architecture: str, additions: Mapping[str, LowRank]) -> dict[str, tuple[str, ...]]:
    """lmdeploy's layers that get an addition, each with the checkpoint's layers in it."""
    known = _LAYERS.get(architecture, {})
    layers = {name: parts for name, parts in known.items() if set(parts) & additions.keys()}
    carried = {part for parts in layers.values() for part in parts}
    uneven = [parts for parts in layers.values() if len({additions.get(part) for part in parts}) > 1]
    if uneven or additions.keys() - carried:
        strange = [*(name for parts in uneven for name in parts), *sorted(additions.keys() - carried)]
        raise EngineOptionError(
            f"Low-rank additions to {', '.join(strange)} of {architecture} are not carried.",
            "They are carried for wqkv, wo, w2, and w1 and w3 alike, of InternLM2ForCausalLM.",
        )
    return layers


def set_rows(context: StepContext, rows: Tensor) -> None:
    """Tells the additions which rows of a step's flattened batch hold media, int64."""
    setattr(context, _ROWS, rows)


def media_rows(context: StepContext | None) -> Tensor | None:
    """What `set_rows` set; None: this step has no media."""
    return getattr(context, _ROWS, None)


def others_than_additions(
    language_model: nn.Module, weights: Iterable[tuple[str, Tensor]]
) -> Iterator[tuple[str, Tensor]]:
    """Loads the weights of additions, and passes all others on."""
    for name, weight in weights:
        if match := _WEIGHT.fullmatch(name):
            adapter_of(language_model, match["path"], match["layer"]).load(match["layer"], match["half"], weight)
        else:
            yield name, weight


def adapter_of(language_model: nn.Module, path: str, layer: str) -> PartialLora:
    """The addition of a layer, by the checkpoint's names.

    :param path: of the module that holds the layer, as ``model.layers.0.attention``.
    :raises EngineOptionError: there is none.
    """
    for module in language_model.get_submodule(path).modules():
        if isinstance(module, PartialLora) and layer in module.layers:
            return module
    raise EngineOptionError(f"The layer {path}.{layer} has no low-rank addition.", "Check FamilyModel.partial_lora.")
