"""The layers of vision transformers against those of transformers, which were written apart from them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, InternVLVisionConfig, SiglipVisionConfig
from transformers.models.clip.modeling_clip import CLIPEncoderLayer
from transformers.models.internvl.modeling_internvl import InternVLVisionLayer
from transformers.models.siglip.modeling_siglip import SiglipEncoderLayer

from vlmplug.parts.vit import ACTIVATIONS, Block, BlockShape, PatchEmbedding, attend, blocks, normalised

SIZES: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4}
SEPARATE = BlockShape(32, 48, 4, projections="separate")
HIDDEN = torch.randn(2, 9, 32, generator=torch.Generator().manual_seed(3))
#: Our names -> those of CLIP and SigLIP, and of InternViT.
CLIP_NAMES = (("norm1", "layer_norm1"), ("norm2", "layer_norm2"), ("attn.", "self_attn."))
INTERN_NAMES = (
    ("norm1", "layernorm_before"),
    ("norm2", "layernorm_after"),
    ("ls1", "lambda_1"),
    ("ls2", "lambda_2"),
    ("attn.proj", "attention.projection_layer"),
)


def lively(module: nn.Module) -> Any:
    """A module whose weights all matter."""
    torch.manual_seed(7)
    for name, parameter in module.named_parameters():
        nn.init.normal_(parameter, float(parameter.dim() == 1 and not name.endswith("bias")), 0.2)
    return module.eval()


def renamed(state: dict[str, Tensor], names: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    for ours, theirs in names:
        state = {name.replace(ours, theirs): tensor for name, tensor in state.items()}
    return state


def split(state: dict[str, Tensor], pattern: str) -> dict[str, Tensor]:
    """Fused projections as three; ``pattern`` is the name of one, with a place for its letter."""
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if "attn.qkv." not in name:
            found[name] = tensor
            continue
        for letter, part in zip("qkv", tensor.chunk(3), strict=True):
            found[name.replace("attn.qkv", pattern.format(letter))] = part
    return found


@pytest.mark.parametrize(
    ("activation", "eps", "config", "layer"),
    [
        ("gelu", 1e-6, SiglipVisionConfig, SiglipEncoderLayer),
        ("gelu_pytorch_tanh", 1e-6, SiglipVisionConfig, SiglipEncoderLayer),
        ("quick_gelu", 1e-5, CLIPVisionConfig, CLIPEncoderLayer),
    ],
)
@torch.inference_mode()
def test_a_layer_is_that_of_siglip_and_clip(activation: str, eps: float, config: Any, layer: Any) -> None:
    block = lively(Block(BlockShape(32, 48, 4, eps=eps, activation=activation, projections="separate")))
    theirs = layer(config(**SIZES, hidden_act=activation, layer_norm_eps=eps, attn_implementation="eager")).eval()
    theirs.load_state_dict(renamed(block.state_dict(), CLIP_NAMES))
    torch.testing.assert_close(block(HIDDEN), theirs(HIDDEN, None), atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_a_fused_layer_with_scales_is_that_of_internvit() -> None:
    block = lively(Block(BlockShape(32, 48, 4, layer_scale=True)))
    config = InternVLVisionConfig(
        **SIZES, attention_bias=True, use_qk_norm=False, norm_type="layer_norm", attn_implementation="eager"
    )
    theirs = InternVLVisionLayer(config).eval()
    theirs.load_state_dict(renamed(split(block.state_dict(), "attention.{}_proj"), INTERN_NAMES))
    found = theirs(HIDDEN)
    torch.testing.assert_close(block(HIDDEN), found[0] if isinstance(found, tuple) else found, atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_fused_and_separate_projections_are_the_same_attention() -> None:
    fused, separate = lively(Block(BlockShape(32, 48, 4))), Block(SEPARATE).eval()
    state = renamed(split(fused.state_dict(), "attn.{}_proj"), (("attn.proj", "attn.out_proj"),))
    separate.load_state_dict(state)
    torch.testing.assert_close(fused(HIDDEN), separate(HIDDEN))


@torch.inference_mode()
def test_what_a_mask_hides_changes_nothing() -> None:
    block = lively(Block(SEPARATE))
    mask = torch.ones(2, 1, 1, 9, dtype=torch.bool)
    mask[1, ..., 6:] = False
    changed = HIDDEN.clone()
    changed[1, 6:] += 5
    torch.testing.assert_close(block(changed, mask)[1, :6], block(HIDDEN[1:, :6])[0])
    assert not torch.allclose(block(changed)[1, :6], block(HIDDEN)[1, :6])


@torch.inference_mode()
def test_attention_is_its_formula() -> None:
    query, key, value = (torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(n)) for n in range(3))
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        scores = query[..., part] @ key[..., part].transpose(1, 2) / 2
        expected = scores.softmax(-1) @ value[..., part]
        torch.testing.assert_close(attend(query, key, value, 2)[..., part], expected)


@torch.inference_mode()
def test_patches_are_a_linear_map_of_their_pixels_row_by_row() -> None:
    embed = lively(PatchEmbedding(4, 6))
    pixels = torch.randn(2, 3, 8, 12)
    grid = embed(pixels)
    assert grid.shape == (2, 2, 3, 6)
    patch = pixels[1, :, 4:, 8:].flatten()
    torch.testing.assert_close(grid[1, 1, 2], F.linear(patch, embed.proj.weight.flatten(1), embed.proj.bias))


@pytest.mark.parametrize(("shape", "without"), [(BlockShape(32, 48, 4, qkv_bias=False), "attn.qkv.bias")])
def test_biases_can_be_left_out(shape: BlockShape, without: str) -> None:
    assert without in Block(BlockShape(32, 48, 4)).state_dict()
    assert without not in Block(shape).state_dict()


def test_names_do_not_depend_on_what_is_chosen_elsewhere() -> None:
    assert len(blocks(SEPARATE, 3)) == 3
    assert {name for name, _ in Block(BlockShape(32, 48, 4)).named_parameters() if name.startswith("ls")} == set()
    assert set(ACTIVATIONS) == {"gelu", "gelu_pytorch_tanh", "quick_gelu"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pixels_are_scaled_centred_and_scaled_again_in_float32(dtype: torch.dtype) -> None:
    pictures = torch.arange(2 * 2 * 5 * 3, dtype=torch.uint8).view(2, 2, 5, 3) * 4
    found = normalised(pictures, (0.5, 0.25, 0.0), (0.5, 0.25, 2.0), dtype)
    assert found.shape == (2, 3, 2, 5) and found.dtype == dtype and found.is_contiguous()
    for channel, (mean, std) in enumerate([(0.5, 0.5), (0.25, 0.25), (0.0, 2.0)]):
        expected = (pictures[..., channel].double() / 255 - mean) / std
        torch.testing.assert_close(found[:, channel].float(), expected.to(dtype).float(), atol=1e-6, rtol=1e-6)
