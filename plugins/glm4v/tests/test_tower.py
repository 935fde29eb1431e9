"""The tower against the official features, and what must not change them."""

from __future__ import annotations

import copy
from math import sqrt

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from plugins.glm4v.tests.conftest import Load
from tests.plain_layers import linear, norm
from tests.reference import Reference
from vlmplug.engine.tower import load_tower
from vlmplug.model import FamilyModel
from vlmplug.pipeline import open_preparer
from vlmplug.verify.tensors import open_tensors
from vlmplug_glm4v.tower import GLM4VTower

PICTURES = torch.randint(0, 256, (3, 112, 112, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture(scope="module")
def tower(model: FamilyModel) -> GLM4VTower:
    torch.set_num_threads(1)
    loaded = load_tower(model)
    assert isinstance(loaded, GLM4VTower)
    return loaded


@torch.inference_mode()
def test_features_are_the_official_ones(tower: GLM4VTower, model: FamilyModel, reference: Reference) -> None:
    preparer, tensors = (
        open_preparer("glm4v-9b-chat", model.folder),
        open_tensors(reference.folder / "forward.safetensors"),
    )
    compared = 0
    for case in reference.golden.forward:
        media = preparer.prepare(reference.request(case.prompt)).engine_input.media
        for name, item in zip(case.features or (), media, strict=True):
            official, found = tensors.read(name), tower(torch.from_numpy(item.pixels))[0].numpy()
            assert np.abs(official - found).max() <= 1e-5 * np.abs(official).max()
            compared += 1
    assert compared == 8


@torch.inference_mode()
def test_layers_word_by_word(tower: GLM4VTower) -> None:
    """Attention with explicit scores, norms behind the branches."""
    tower = copy.deepcopy(tower).double()
    hidden = tower.patch_embedding(tower.normalise(PICTURES[:1]))
    want = hidden
    for layer in tower.transformer.layers:
        state = dict(layer.named_parameters())
        want = want + norm(state, "input_layernorm", attention(state, want, heads=3))
        inner = F.gelu(linear(state, "mlp.fc1", want))
        want = want + norm(state, "post_attention_layernorm", linear(state, "mlp.fc2", inner))
    torch.testing.assert_close(tower.transformer(hidden), want, atol=1e-10, rtol=1e-10)


def attention(state: dict[str, Tensor], hidden: Tensor, heads: int) -> Tensor:
    query, key, value = linear(state, "attention.query_key_value", hidden).chunk(3, -1)
    width, mixed = hidden.shape[-1] // heads, []
    for head in range(heads):
        own = slice(head * width, (head + 1) * width)
        weights = (query[..., own] @ key[..., own].transpose(1, 2) / sqrt(width)).softmax(-1)
        mixed.append(weights @ value[..., own])
    return linear(state, "attention.dense", torch.cat(mixed, -1))


@torch.inference_mode()
def test_begin_and_end_are_learned_vectors_scaled_like_the_rest(tower: GLM4VTower) -> None:
    features = tower(PICTURES)
    assert features.shape == (3, 18, 64)
    for row, vector in ((0, tower.boi), (-1, tower.eoi)):
        torch.testing.assert_close(features[:, row], vector[0].expand(3, -1) / tower.scaling_factor)


@torch.inference_mode()
def test_a_picture_does_not_depend_on_its_neighbours(tower: GLM4VTower) -> None:
    torch.testing.assert_close(tower(PICTURES)[1:2], tower(PICTURES[1:2]), atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_the_scale_is_that_of_the_checkpoint(load: Load, model: FamilyModel, tower: GLM4VTower) -> None:
    vision = {**model.tower.config["vision_config"], "scaling_factor": 2}
    other = load_tower(load(vision_config=vision))
    torch.testing.assert_close(other(PICTURES), 4 * tower(PICTURES))
