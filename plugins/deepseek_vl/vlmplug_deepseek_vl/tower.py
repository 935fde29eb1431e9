"""The vision towers and the projector in plain PyTorch, under the official parameter names.

Written after the description in "DeepSeek-VL" (arXiv 2403.05525, section 3) and the released ``clip_encoder.py``,
``sam.py``, ``siglip_vit.py`` and ``projector.py``. Pictures come as bytes; each tower normalises them itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlmplug.parts.sam import Neck, SamEncoder, SamShape
from vlmplug.parts.vit import BlockShape, PatchEmbedding, blocks
from vlmplug_deepseek_vl.vision import WINDOW, Aligner, Normalisation, Sam, Siglip, Vision

#: Pictures of 1024 pixels that go through the towers at once; one takes about 100 MB in half precision.
PICTURES_AT_ONCE = 4


def normalise(pixels: Tensor, by: Normalisation | None) -> Tensor:
    """Colours [n, 3, height, width] with mean and deviation taken out, in their own dtype as officially."""
    if by is None:
        return pixels
    mean, std = pixels.new_tensor(by.mean), pixels.new_tensor(by.std)
    return (pixels - mean[:, None, None]) / std[:, None, None]


class SiglipTower(nn.Module):
    """SigLIP without its pooling: colours [n, 3, size, size] between 0 and 1 -> [n, tokens, width]."""

    def __init__(self, sizes: Siglip) -> None:
        super().__init__()
        fused = sizes.layout == "timm"
        shape = BlockShape(
            width=sizes.width,
            inner=sizes.inner,
            heads=sizes.heads,
            eps=sizes.eps,
            activation=sizes.activation,
            projections="fused" if fused else "separate",
        )
        positions = (sizes.side**2, sizes.width)
        self.normalisation = sizes.normalisation
        self.patch_embed = PatchEmbedding(sizes.patch_size, sizes.width)
        self.pos_embed = nn.Parameter(torch.zeros((1, *positions) if fused else positions))
        self.blocks = blocks(shape, sizes.layers)
        self.norm = nn.LayerNorm(sizes.width, sizes.eps)

    def forward(self, colours: Tensor) -> Tensor:
        hidden = self.patch_embed(normalise(colours, self.normalisation)).flatten(1, 2) + self.pos_embed
        for block in self.blocks:
            hidden = block(hidden)
        out: Tensor = self.norm(hidden)
        return out


class SamTower(SamEncoder):
    """SAM with what stands behind it here: colours [n, 3, size, size] between 0 and 1 -> [n, tokens, width].

    The grid behind the first global layer has a neck of its own; both go through the same convolutions, and it is
    added with a learned weight.

    :param side: tokens along the side of the result.
    """

    def __init__(self, sizes: Sam, side: int) -> None:
        shape = SamShape(
            image_size=sizes.image_size,
            patch_size=sizes.patch_size,
            width=sizes.width,
            inner=sizes.inner,
            heads=sizes.heads,
            layers=sizes.layers,
            window=WINDOW,
            global_layers=sizes.global_layers,
            neck=sizes.neck,
            eps=sizes.eps,
        )
        super().__init__(shape)
        self.normalisation = sizes.normalisation
        self.first_global = min(sizes.global_layers)
        self.upsampled = side * 2 ** len(sizes.downsamples)
        self.neck_hd = Neck(shape)
        channels = (sizes.neck, *sizes.downsamples)
        steps = (nn.Conv2d(given, made, 3, 2, 1, bias=False) for given, made in pairwise(channels))
        self.downsamples = nn.Sequential(*steps)
        self.hd_alpha_downsamples = nn.Parameter(torch.zeros(1))

    def forward(self, colours: Tensor) -> Tensor:
        first = last = colours
        for number, grid in enumerate(self.grids(normalise(colours, self.normalisation))):
            first = grid if number == self.first_global else first
            last = grid
        detail = self.downsampled(self.neck_hd(first)) * self.hd_alpha_downsamples
        return (self.downsampled(self.neck(last)) + detail).flatten(2).transpose(1, 2)

    def downsampled(self, grid: Tensor) -> Tensor:
        """[n, neck, rows, columns] -> [n, width, side, side]; scaled up in float32 first, as officially."""
        size = (self.upsampled, self.upsampled)
        scaled = F.interpolate(grid.float(), size, mode="bilinear", align_corners=False)
        out: Tensor = self.downsamples(scaled.to(grid.dtype))
        return out


class SingleAligner(nn.Module):
    """``mlp_gelu``: [n, tokens, input] -> [n, tokens, output]."""

    def __init__(self, sizes: Aligner) -> None:
        super().__init__()
        self.layers = _with_gelu(nn.Linear(sizes.input, sizes.output), sizes)

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.layers(features)
        return out


class HybridAligner(nn.Module):
    """``low_high_hybrid_split_mlp_gelu``: half of the channels from each tower, high resolution first."""

    def __init__(self, sizes: Aligner) -> None:
        super().__init__()
        self.high_up_proj = nn.Linear(sizes.input, sizes.output // 2)
        self.low_up_proj = nn.Linear(sizes.input, sizes.output // 2)
        self.layers = _with_gelu(None, sizes)

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        out: Tensor = self.layers(torch.cat([self.high_up_proj(high), self.low_up_proj(low)], -1))
        return out


class SingleTower(nn.Module):
    """SigLIP and the projector: uint8 [n, size, size, 3] -> [n, tokens, hidden size of the language model]."""

    def __init__(self, vision: Vision) -> None:
        super().__init__()
        self.input = vision.input
        self.siglip = SiglipTower(vision.siglip)
        self.aligner = SingleAligner(vision.aligner)

    def forward(self, tiles: Tensor) -> Tensor:
        out: Tensor = self.aligner(self.siglip(normalise(colours_of(tiles, self.siglip.pos_embed), self.input)))
        return out


class HybridTower(nn.Module):
    """SAM, SigLIP and the projector: uint8 [n, size, size, 3] -> [n, tokens, hidden size of the language model]."""

    def __init__(self, vision: Vision, sam: Sam) -> None:
        super().__init__()
        self.input = vision.input
        self.low_size = vision.siglip.image_size
        self.siglip = SiglipTower(vision.siglip)
        self.sam = SamTower(sam, vision.siglip.side)
        self.aligner = HybridAligner(vision.aligner)

    def forward(self, tiles: Tensor) -> Tensor:
        return torch.cat([self._features(piece) for piece in tiles.split(PICTURES_AT_ONCE)])

    def _features(self, tiles: Tensor) -> Tensor:
        colours = normalise(colours_of(tiles, self.siglip.pos_embed), self.input)
        out: Tensor = self.aligner(self.sam(colours), self.siglip(shrunk(colours, self.low_size)))
        return out


def colours_of(tiles: Tensor, like: Tensor) -> Tensor:
    """uint8 [n, height, width, 3] -> [n, 3, height, width] between 0 and 1, in the dtype of ``like``."""
    return (tiles.permute(0, 3, 1, 2).float() / 255).to(like.dtype).contiguous()


def shrunk(colours: Tensor, size: int) -> Tensor:
    """[n, 3, height, width] scaled to [n, 3, size, size] in float32, as torchvision's ``Resize`` does with tensors."""
    scaled = F.interpolate(colours.float(), (size, size), mode="bilinear", align_corners=False, antialias=True)
    return scaled.to(colours.dtype)


def build_tower(config: Mapping[str, Any]) -> nn.Module:
    """The tower of what `Vision.to_data` made; weights are loaded afterwards."""
    vision = Vision.from_data(config)
    return SingleTower(vision) if vision.sam is None else HybridTower(vision, vision.sam)


def _with_gelu(first: nn.Module | None, sizes: Aligner) -> nn.Sequential:
    """``first``, and behind it, for each further layer of the depth, GELU and a linear layer."""
    further = [(nn.GELU(), nn.Linear(sizes.output, sizes.output)) for _ in range(sizes.depth - 1)]
    return nn.Sequential(*([] if first is None else [first]), *(layer for pair in further for layer in pair))
