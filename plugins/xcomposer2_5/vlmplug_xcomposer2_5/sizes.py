"""Sizes that the official code has as constants, taken from the shapes of a checkpoint's weights.

``config.json`` says nothing about the vision tower, the projector and the ranks of low-rank additions. Where there are
no weights (a prompt is to be shown, or weights are random) the official constants hold: CLIP ViT-L/14 at 560 pixels
(``build_mlp.py``), additions of rank 256 (``build_mlp.py``, class ``PLoRA``).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from vlmplug.errors import CheckpointMismatchError
from vlmplug.model import LowRank
from vlmplug.parts.weight_headers import Shapes
from vlmplug_xcomposer2_5.weights import TOWER

#: Sides of a tile in pixels; the official code cuts no others.
TILE = 560
#: Patches whose vectors are joined into one token: two by two.
MERGED = 2
#: Width of a head of CLIP.
HEAD = 64
_RANK = 256
_LAYER = re.compile(re.escape(TOWER) + r"encoder\.layers\.(\d+)\.")
_ADDED = {"wqkv": "attention", "wo": "attention", "w1": "feed_forward", "w2": "feed_forward", "w3": "feed_forward"}


@dataclass(frozen=True)
class TowerSizes:
    """Sizes of the vision tower and the projector.

    - ``width``: of a patch's vector. ``inner``: of the tower's MLP. ``side``: patches along a tile.
    - ``projected``: of the projector's first layer; its second has the width of the language model, ``hidden``.
    """

    width: int
    inner: int
    layers: int
    patch: int
    side: int
    projected: int
    hidden: int

    @property
    def merged(self) -> int:
        """Width of a token in front of the projector."""
        return MERGED * MERGED * self.width


def tower_sizes(shapes: Shapes, hidden: int) -> TowerSizes:
    """Sizes of the tower whose weights have these shapes.

    :param hidden: size of the language model.
    :raises CheckpointMismatchError: a tower that sees other tiles than those of 560 pixels.
    """
    rows, width = _shape(shapes, f"{TOWER}embeddings.position_embedding.weight", (1601, 1024))
    patch = _shape(shapes, f"{TOWER}embeddings.patch_embedding.weight", (width, 3, 14, 14))[2]
    side = math.isqrt(max(rows - 1, 0))
    if side * side + 1 != rows or side * patch != TILE or side % MERGED or width % HEAD:
        raise CheckpointMismatchError(
            f"The vision tower has {rows} positions of width {width} for patches of {patch} pixels, which are no tiles "
            f"of {TILE} pixels.",
            "Use a checkpoint of XComposer2.5; XComposer2 (7b, vl-7b, 4khd-7b) is not supported.",
        )
    layers = {int(match[1]) for name in shapes if (match := _LAYER.match(name))}
    return TowerSizes(
        width=width,
        inner=_shape(shapes, f"{TOWER}encoder.layers.0.mlp.fc1.weight", (4096, width))[0],
        layers=max(layers) + 1 if layers else 24,
        patch=patch,
        side=side,
        projected=_shape(shapes, "vision_proj.0.weight", (4096, MERGED * MERGED * width))[0],
        hidden=hidden,
    )


def low_rank_additions(shapes: Shapes) -> dict[str, LowRank]:
    """What each linear layer adds at media positions; ``alpha`` is the rank in the official code, so the scale is 1."""
    names = {layer: f"model.layers.0.{module}.{layer}.Plora_A.weight" for layer, module in _ADDED.items()}
    return {layer: LowRank(_shape(shapes, name, (_RANK, 0))[0]) for layer, name in names.items()}


def _shape(shapes: Shapes, name: str, official: tuple[int, ...]) -> tuple[int, ...]:
    """:raises CheckpointMismatchError: a shape with another number of dimensions, or an empty one."""
    found = shapes.get(name, official)
    if len(found) != len(official) or (name in shapes and min(found) < 1):
        raise CheckpointMismatchError(
            f"The weight {name} has the shape {list(found)}.", f"It has {len(official)} dimensions in official files."
        )
    return found
