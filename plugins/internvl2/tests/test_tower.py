"""The tower against transformers' own InternViT, and the projection against the official formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import InternVLVisionConfig
from transformers.models.internvl.modeling_internvl import InternVLVisionModel

from plugins.internvl2.tests.official_checkpoint import TOWERS
from vlmplug_internvl2.tower import InternVLTower, build_tower, pixel_shuffle

#: Official names -> transformers' (``internvl_custom2hf.py``).
RENAMED = (
    ("vision_model.", ""),
    ("embeddings.class_embedding", "embeddings.cls_token"),
    ("embeddings.position_embedding", "embeddings.position_embeddings"),
    ("embeddings.patch_embedding.", "embeddings.patch_embeddings.projection."),
    ("encoder.layers.", "encoder.layer."),
    ("norm1", "layernorm_before"),
    ("norm2", "layernorm_after"),
    ("ls1", "lambda_1"),
    ("ls2", "lambda_2"),
    ("attn.proj", "attention.projection_layer"),
    ("attn.", "attention."),
)
TILES = torch.randint(0, 256, (2, 112, 112, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def tower_of(kind: str, **fields: Any) -> InternVLTower:
    """A tower with lively weights."""
    vision = {"layer_norm_eps": 1e-6, **TOWERS[kind]}
    torch.manual_seed(7)
    tower = build_tower({"vision_config": vision, "llm_config": {"hidden_size": 48}, **fields}).eval()
    for name, parameter in tower.named_parameters():
        torch.nn.init.normal_(parameter, float(parameter.dim() == 1 and not name.endswith("bias")), 0.2)
    return tower


def native_layers(kind: str, tower: InternVLTower) -> tuple[Tensor, ...]:
    """What transformers' tower of the same weights gives after the embeddings and after each layer."""
    vision = dict(TOWERS[kind])
    config = InternVLVisionConfig(
        **{name: vision[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers")},
        num_attention_heads=vision["num_attention_heads"],
        attention_bias=vision["qkv_bias"],
        use_qk_norm=vision["qk_normalization"],
        norm_type=vision["norm_type"],
        image_size=[112, 112],
        patch_size=[14, 14],
        use_mean_pooling=True,
    )
    model = InternVLVisionModel(config).eval()
    state: dict[str, Tensor] = {}
    for name, tensor in tower.state_dict().items():
        if name.startswith("vision_model."):
            state |= split(renamed(name), tensor)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(name.startswith("layernorm") for name in missing), (missing, unexpected)
    pixels = tower.normalise(TILES)
    return tuple(model(pixel_values=pixels, output_hidden_states=True).hidden_states)


def renamed(name: str) -> str:
    for official, native in RENAMED:
        name = name.replace(official, native)
    return name


def split(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """The fused q, k and v as three."""
    if "attention.qkv" not in name:
        return {name: tensor}
    return {name.replace("qkv", f"{part}_proj"): piece for part, piece in zip("qkv", tensor.chunk(3), strict=True)}


@pytest.mark.parametrize("kind", TOWERS)
@pytest.mark.parametrize("select_layer", [-1, -2, -3, 1])
@torch.inference_mode()
def test_the_selected_layer_is_transformers_own(kind: str, select_layer: int) -> None:
    tower = tower_of(kind, select_layer=select_layer)
    found = tower.vision_model(tower.normalise(TILES))
    torch.testing.assert_close(found, native_layers(kind, tower)[select_layer], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("version", "order"),
    [
        ("v2", [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]),
        ("v1", [[0, 1, 4, 5], [8, 9, 12, 13], [2, 3, 6, 7], [10, 11, 14, 15]]),
    ],
)
def test_pixel_shuffle_on_a_small_grid(version: str, order: list[list[int]]) -> None:
    assert pixel_shuffle(torch.arange(16).view(1, 4, 4, 1), 2, version).tolist() == [order]


def official_shuffle(grid: Tensor, version: str) -> Tensor:
    """The official sequence of views, factor 2."""
    n, width, height, channels = grid.shape
    grid = grid.view(n, width, height // 2, channels * 2).permute(0, 2, 1, 3).contiguous()
    grid = grid.view(n, height // 2, width // 2, channels * 4)
    return grid if version == "v1" else grid.permute(0, 2, 1, 3)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_pixel_shuffle_is_the_official_sequence_of_views(version: str) -> None:
    grid = torch.randn(3, 8, 8, 5)
    assert torch.equal(pixel_shuffle(grid, 2, version), official_shuffle(grid, version).reshape(3, 16, 20))


@pytest.mark.parametrize("version", ["v1", "v2"])
@torch.inference_mode()
def test_the_whole_way(version: str) -> None:
    tower = tower_of("300m", ps_version=version, select_layer=-1)
    patches = tower.vision_model(tower.normalise(TILES))[:, 1:].reshape(2, 8, 8, -1)
    expected = tower.mlp1(official_shuffle(patches, version).reshape(2, 16, -1))
    torch.testing.assert_close(tower(TILES), expected)
