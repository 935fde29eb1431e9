"""The tower against the official features, and what must not change them."""

from __future__ import annotations

import copy
from math import sqrt

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.plain_layers import linear, norm
from tests.reference import Reference
from vlmplug.engine.tower import load_tower
from vlmplug.model import FamilyModel
from vlmplug.parts.sincos import sincos_positions
from vlmplug.pipeline import open_preparer
from vlmplug.verify.tensors import open_tensors
from vlmplug_qwen_vl.tower import QwenVLTower, resized_positions

PICTURES = torch.randint(0, 256, (2, 448, 448, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture(scope="module")
def tower(model: FamilyModel) -> QwenVLTower:
    torch.set_num_threads(1)
    loaded = load_tower(model)
    assert isinstance(loaded, QwenVLTower)
    return loaded


@torch.inference_mode()
def test_features_are_the_official_ones(tower: QwenVLTower, model: FamilyModel, reference: Reference) -> None:
    preparer = open_preparer("qwen-vl-chat", model.folder)
    tensors, compared = open_tensors(reference.folder / "forward.safetensors"), set()
    for case in reference.golden.forward:
        media = preparer.prepare(reference.request(case.prompt)).engine_input.media
        for name, item in zip(case.features or (), media, strict=True):
            if name not in compared:
                official, found = tensors.read(name), tower(torch.from_numpy(item.pixels))[0, ::8].numpy()
                assert np.abs(official - found).max() <= 1e-5 * np.abs(official).max()
                compared.add(name)
    assert len(compared) == 5


@torch.inference_mode()
def test_layers_word_by_word(tower: QwenVLTower) -> None:
    """Attention with explicit scores; query, key and value of a head stand together."""
    tower = copy.deepcopy(tower).double()
    want = hidden = torch.randn(1, 12, 48, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for block in tower.transformer.resblocks:
        state = dict(block.named_parameters())
        want = want + attention(state, norm(state, "ln_1", want), heads=3)
        inner = F.gelu(linear(state, "mlp.c_fc", norm(state, "ln_2", want)))
        want = want + linear(state, "mlp.c_proj", inner)
    torch.testing.assert_close(tower.transformer(hidden), want, atol=1e-10, rtol=1e-10)


def attention(state: dict[str, Tensor], hidden: Tensor, heads: int) -> Tensor:
    width, packed, mixed = hidden.shape[-1] // heads, linear(state, "attn.in_proj", hidden), []
    for head in range(heads):
        query, key, value = packed[..., 3 * width * head : 3 * width * (head + 1)].split(width, -1)
        mixed.append((query @ key.transpose(1, 2) / sqrt(width)).softmax(-1) @ value)
    return linear(state, "attn.out_proj", torch.cat(mixed, -1))


@torch.inference_mode()
def test_positions_of_the_queries_are_the_usual_sines(tower: QwenVLTower) -> None:
    torch.testing.assert_close(tower.attn_pool.pos_embed, sincos_positions(16, 16, 256), atol=1e-6, rtol=0)


@torch.inference_mode()
def test_stored_positions_are_stretched_bicubically() -> None:
    table = torch.arange(16.0)[:, None] * torch.tensor([1.0, -1.0])
    assert resized_positions(table, 4) is table
    stretched = resized_positions(table, 8)
    assert stretched.shape == (64, 2)
    torch.testing.assert_close(stretched[:, 0], -stretched[:, 1])
    inside = stretched[:, 0].unflatten(0, (8, 8))[3:5, 3:5]
    torch.testing.assert_close(inside.mean(), table[:, 0].mean(), msg="the middle stays in the middle")
    torch.testing.assert_close(inside[0, 1] - inside[0, 0], torch.tensor(0.5), atol=0.1, rtol=0)


@torch.inference_mode()
def test_a_picture_does_not_depend_on_its_neighbours(tower: QwenVLTower) -> None:
    both = tower(PICTURES)
    assert both.shape == (2, 256, 256)
    torch.testing.assert_close(both[1:], tower(PICTURES[1:]), atol=1e-5, rtol=1e-5)
