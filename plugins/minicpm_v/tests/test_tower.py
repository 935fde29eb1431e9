"""The tower against a second implementation, written from the official code's description alone."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlmplug_minicpm_v.tower import MiniCPMVTower, build_tower

WIDTH, HIDDEN, HEADS, SIDE, EPS = 24, 128, 2, 70, 1e-6
CONFIG: dict[str, Any] = {
    "vision": {"width": WIDTH, "inner": 40, "layers": 2, "heads": HEADS, "patch": 14, "side": SIDE, "eps": EPS},
    "resampler": {"queries": 5, "hidden": HIDDEN, "heads": 1},
    "mean": [0.5, 0.4, 0.6],
    "std": [0.5, 0.25, 0.3],
}
Positions = Literal["flat", "grid"]


def tower_of(positions: Positions) -> MiniCPMVTower:
    """A tower with lively weights."""
    torch.manual_seed(11)
    tower = build_tower({**CONFIG, "positions": positions}).eval()
    for name, parameter in tower.named_parameters():
        norm = parameter.dim() == 1 and not name.endswith("bias")
        nn.init.normal_(parameter, float(norm), 0.2)
    return tower


def slices(count: int, rows: int, columns: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 14 * rows, 14 * columns, 3), generator=generator, dtype=torch.uint8)


class Padded:
    """The official computation: patches as strips, padded to the longest, masked (2.6) or one slice a call (2.5)."""

    def __init__(self, tower: MiniCPMVTower, positions: Positions) -> None:
        self.state, self.positions = tower.state_dict(), positions

    def __call__(self, pictures: list[Tensor]) -> list[Tensor]:
        grids = [(picture.shape[0] // 14, picture.shape[1] // 14) for picture in pictures]
        longest = max(rows * columns for rows, columns in grids)
        hidden = torch.zeros(len(pictures), longest, WIDTH)
        mask = torch.zeros(len(pictures), longest, dtype=torch.bool)
        for number, (picture, grid) in enumerate(zip(pictures, grids, strict=True)):
            patches = self.patches(picture) + self.w("vpm.embeddings.position_embedding")[self.places(*grid)]
            hidden[number, : len(patches)], mask[number, : len(patches)] = patches, True
        for layer in range(2):
            hidden = self.layer(hidden, mask, f"vpm.encoder.layers.{layer}")
        hidden = self.norm(hidden, "vpm.post_layernorm")
        return [self.resampled(own[: r * c], r, c) for own, (r, c) in zip(hidden, grids, strict=True)]

    def w(self, name: str) -> Tensor:
        return self.state[f"{name}.weight"]

    def linear(self, hidden: Tensor, name: str) -> Tensor:
        return hidden @ self.w(name).T + self.state[f"{name}.bias"]

    def norm(self, hidden: Tensor, name: str) -> Tensor:
        return F.layer_norm(hidden, hidden.shape[-1:], self.w(name), self.state[f"{name}.bias"], EPS)

    def patches(self, picture: Tensor) -> Tensor:
        scaled = (picture / 255 - torch.tensor(CONFIG["mean"])) / torch.tensor(CONFIG["std"])
        rows, columns = picture.shape[0] // 14, picture.shape[1] // 14
        blocks = scaled.view(rows, 14, columns, 14, 3).permute(0, 2, 4, 1, 3).reshape(rows * columns, -1)
        return (
            blocks @ self.w("vpm.embeddings.patch_embedding").flatten(1).T
            + self.state["vpm.embeddings.patch_embedding.bias"]
        )

    def places(self, rows: int, columns: int) -> list[int]:
        if self.positions == "flat":
            return bucketed(rows * columns)
        return [row * SIDE + column for row in bucketed(rows) for column in bucketed(columns)]

    def layer(self, hidden: Tensor, mask: Tensor, at: str) -> Tensor:
        normed = self.norm(hidden, f"{at}.layer_norm1")
        q, k, v = (
            self.linear(normed, f"{at}.self_attn.{name}_proj").view(*hidden.shape[:2], HEADS, -1).transpose(1, 2)
            for name in "qkv"
        )
        scores = q @ k.transpose(-1, -2) / math.sqrt(WIDTH // HEADS)
        scores = scores.masked_fill(~mask[:, None, None], -math.inf)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        hidden = hidden + self.linear(mixed, f"{at}.self_attn.out_proj")
        inner = F.gelu(self.linear(self.norm(hidden, f"{at}.layer_norm2"), f"{at}.mlp.fc1"), approximate="tanh")
        return hidden + self.linear(inner, f"{at}.mlp.fc2")

    def resampled(self, patches: Tensor, rows: int, columns: int) -> Tensor:
        values = self.norm(patches @ self.w("resampler.kv_proj").T, "resampler.ln_kv")
        keys = values + torch.stack([place(x, y) for y in range(rows) for x in range(columns)])
        packed = zip(
            self.state["resampler.attn.in_proj_weight"].chunk(3),
            self.state["resampler.attn.in_proj_bias"].chunk(3),
            (self.norm(self.state["resampler.query"], "resampler.ln_q"), keys, values),
            strict=True,
        )
        q, k, v = (given @ weight.T + bias for weight, bias, given in packed)
        found = self.linear((q @ k.T / math.sqrt(HIDDEN)).softmax(-1) @ v, "resampler.attn.out_proj")
        return self.norm(found, "resampler.ln_post") @ self.state["resampler.proj"]


def bucketed(count: int) -> list[int]:
    """The official buckets, searched one by one."""
    borders = torch.arange(1 / SIDE, 1.0, 1 / SIDE)
    places = torch.arange(0, 1 - 1e-6, 1 / torch.tensor(count))
    return [int((borders <= place).sum()) for place in places]


def place(x: int, y: int) -> Tensor:
    """Column, then row: sines, then cosines."""
    rates = [10_000 ** (-k / (HIDDEN // 4)) for k in range(HIDDEN // 4)]
    return torch.tensor([f(at * rate) for at in (x, y) for f in (math.sin, math.cos) for rate in rates])


@pytest.mark.parametrize("positions", ["flat", "grid"])
@pytest.mark.parametrize(("rows", "columns"), [(3, 5), (7, 2), (1, 1), (2, 80)])
@torch.inference_mode()
def test_one_slice(positions: Positions, rows: int, columns: int) -> None:
    tower = tower_of(positions)
    (expected,) = Padded(tower, positions)([slices(1, rows, columns)[0]])
    (found,) = tower(slices(1, rows, columns))
    assert found.shape == (5, HIDDEN)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=2e-4)


@torch.inference_mode()
def test_slices_of_a_padded_batch_are_those_of_each_alone_from_2_6_on() -> None:
    tower, shapes = tower_of("grid"), [(4, 6), (5, 3), (2, 2)]
    padded = Padded(tower, "grid")([slices(1, *shape)[0] for shape in shapes])
    for shape, expected in zip(shapes, padded, strict=True):
        torch.testing.assert_close(tower(slices(1, *shape))[0], expected, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("positions", ["flat", "grid"])
@torch.inference_mode()
def test_a_slice_does_not_depend_on_its_neighbours(positions: Positions) -> None:
    tower, one, others = tower_of(positions), slices(1, 4, 6), slices(3, 4, 6, 1)
    together = tower(torch.cat([others, one]))
    torch.testing.assert_close(together[3:], tower(one), atol=1e-5, rtol=1e-5)


def test_all_weights_are_seen() -> None:
    tower = tower_of("grid")
    tower(slices(2, 3, 4)).sum().backward()
    assert [name for name, parameter in tower.named_parameters() if parameter.grad is None] == []
