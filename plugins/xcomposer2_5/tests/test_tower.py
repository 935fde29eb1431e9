"""The tower against a second implementation, written vector by vector from the description of the official code."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlmplug.engine.tower_rows import TowerItem, item_rows
from vlmplug.parts.colours import CLIP_MEAN, CLIP_STD
from vlmplug_xcomposer2_5.sizes import TILE, TowerSizes
from vlmplug_xcomposer2_5.tower import XComposerTower

#: Eight patches along a tile, two heads; four by four tokens.
SIZES = TowerSizes(width=128, inner=96, layers=2, patch=70, side=8, projected=40, hidden=48)
SIDE, TOKENS = 8, 4


@pytest.fixture(scope="module")
def tower() -> XComposerTower:
    """A tower with lively weights."""
    torch.manual_seed(11)
    made = XComposerTower(SIZES).eval()
    for name, parameter in made.named_parameters():
        norm = "norm" in name and name.endswith("weight")
        nn.init.normal_(parameter, float(norm), 0.1)
    return made


def picture(rows: int, columns: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    small = torch.randint(0, 256, (rows * 8, columns * 8, 3), generator=generator, dtype=torch.uint8)
    return small.repeat_interleave(70, 0).repeat_interleave(70, 1)


class Plain:
    """The official computation, one view and one vector at a time, in float64."""

    def __init__(self, tower: XComposerTower) -> None:
        self.w = {name: value.double() for name, value in tower.state_dict().items()}

    def rows(self, pixels: Tensor) -> Tensor:
        mean, std = torch.tensor(CLIP_MEAN), torch.tensor(CLIP_STD)
        image = ((pixels.float() / 255 - mean) / std).permute(2, 0, 1)
        whole = F.interpolate(image[None], size=(TILE, TILE), mode="bicubic", align_corners=False)[0]
        height, width = (side // TILE for side in image.shape[1:])
        newline, separator = self.w["plora_sub_GN"].flatten(), self.w["plora_glb_GN"].flatten()
        tokens = self.tokens(whole)
        out = [vector for y in range(TOKENS) for vector in (*tokens[y], newline)] + [separator]
        tiles = {
            (y, x): self.tokens(image[:, y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE])
            for y in range(height)
            for x in range(width)
        }
        for y in range(height * TOKENS):
            for x in range(width * TOKENS):
                out.append(tiles[y // TOKENS, x // TOKENS][y % TOKENS][x % TOKENS])
            out.append(newline)
        hidden = torch.stack(out)
        return self.linear(F.gelu(self.linear(hidden, "vision_proj.0")), "vision_proj.2")

    def tokens(self, view: Tensor) -> list[list[Tensor]]:
        """Four patches each, side by side: upper left, upper right, lower left, lower right."""
        patches = self.patches(view.double())
        at = lambda y, x: patches[y * SIDE + x]  # noqa: E731
        return [
            [
                torch.cat([at(2 * y, 2 * x), at(2 * y, 2 * x + 1), at(2 * y + 1, 2 * x), at(2 * y + 1, 2 * x + 1)])
                for x in range(TOKENS)
            ]
            for y in range(TOKENS)
        ]

    def patches(self, view: Tensor) -> Tensor:
        cut = view.unfold(1, 70, 70).unfold(2, 70, 70).permute(1, 2, 0, 3, 4).reshape(SIDE * SIDE, -1)
        embedded = cut @ self.w["patch_embed.proj.weight"].flatten(1).T
        hidden = torch.cat([self.w["cls_token"][None], embedded]) + self.w["pos_embed"]
        hidden = self.norm(hidden, "norm_pre")
        for number in range(SIZES.layers):
            hidden = self.layer(hidden, f"blocks.{number}")
        return hidden[1:]

    def layer(self, hidden: Tensor, name: str) -> Tensor:
        normed = self.norm(hidden, f"{name}.norm1")
        heads = []
        for head in range(2):
            own = slice(64 * head, 64 * head + 64)
            query, key, value = (self.linear(normed, f"{name}.attn.{part}_proj")[:, own] for part in "qkv")
            heads.append((query @ key.T / math.sqrt(64)).softmax(-1) @ value)
        hidden = hidden + self.linear(torch.cat(heads, -1), f"{name}.attn.out_proj")
        inner = self.linear(self.norm(hidden, f"{name}.norm2"), f"{name}.mlp.fc1")
        return hidden + self.linear(inner / (1 + torch.exp(-1.702 * inner)), f"{name}.mlp.fc2")

    def linear(self, hidden: Tensor, name: str) -> Tensor:
        return hidden @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def norm(self, hidden: Tensor, name: str) -> Tensor:
        centred = hidden - hidden.mean(-1, keepdim=True)
        scaled = centred / torch.sqrt(centred.square().mean(-1, keepdim=True) + 1e-5)
        return scaled * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]


@torch.inference_mode()
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 1), (1, 3), (2, 3)])
def test_rows_are_those_of_the_official_computation(tower: XComposerTower, rows: int, columns: int) -> None:
    pixels = picture(rows, columns)
    (found,) = item_rows(tower, [TowerItem([pixels[None]], (columns, rows))], 32)
    expected = Plain(tower).rows(pixels)
    assert found.shape == ((rows * columns + 1) * TOKENS**2 + 1 + (rows + 1) * TOKENS, 48) == expected.shape
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@torch.inference_mode()
def test_pictures_that_share_a_call_do_not_mix_and_no_call_is_larger_than_allowed(
    tower: XComposerTower, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [picture(1, 2, seed=1), picture(2, 2, seed=2)]
    items = [TowerItem([pixels[None]], (2, rows)) for rows, pixels in enumerate(pictures, 1)]
    alone = [item_rows(tower, [item], 32)[0] for item in items]
    calls: list[int] = []
    forward = tower.forward
    monkeypatch.setattr(tower, "forward", lambda views: calls.append(len(views)) or forward(views))
    together = item_rows(tower, items, 4)  # four tiles of 448 by 448: two of these
    assert calls == [2, 2, 2, 2]
    for one, other in zip(alone, together, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@torch.inference_mode()
def test_views_are_the_whole_and_the_tiles_in_the_dtype_of_the_weights(tower: XComposerTower) -> None:
    views = tower.views(picture(2, 3))
    assert views.shape == (7, TILE, TILE, 3)
    assert XComposerTower(SIZES).bfloat16().views(picture(1, 1)).dtype == torch.bfloat16
    black = torch.zeros(TILE, TILE, 3, dtype=torch.uint8)
    expected = -torch.tensor(CLIP_MEAN) / torch.tensor(CLIP_STD)
    assert torch.allclose(tower.views(black), expected.expand(2, TILE, TILE, 3), atol=1e-5)
