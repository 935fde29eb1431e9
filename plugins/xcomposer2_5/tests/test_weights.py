"""Every weight of the official files has a place, and no other has one."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmplug.parts.weight_headers import header_shapes
from vlmplug_xcomposer2_5.weights import route_weight

TOWER = "vit.vision_tower.vision_model."
LAYER = "model.layers.31."


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        (f"{TOWER}embeddings.class_embedding", "cls_token"),
        (f"{TOWER}embeddings.position_embedding.weight", "pos_embed"),
        (f"{TOWER}embeddings.patch_embedding.weight", "patch_embed.proj.weight"),
        (f"{TOWER}pre_layrnorm.bias", "norm_pre.bias"),
        (f"{TOWER}encoder.layers.23.layer_norm2.weight", "blocks.23.norm2.weight"),
        (f"{TOWER}encoder.layers.0.self_attn.out_proj.bias", "blocks.0.attn.out_proj.bias"),
        (f"{TOWER}encoder.layers.10.mlp.fc1.weight", "blocks.10.mlp.fc1.weight"),
        ("vision_proj.2.bias", "vision_proj.2.bias"),
        ("plora_glb_GN", "plora_glb_GN"),
        ("plora_sub_GN", "plora_sub_GN"),
    ],
)
def test_weights_of_the_tower_get_its_names(name: str, inner: str) -> None:
    assert route_weight(name) == ("vision", inner)


@pytest.mark.parametrize(
    "name",
    [
        "model.tok_embeddings.weight",
        "model.norm.weight",
        "output.weight",
        f"{LAYER}attention_norm.weight",
        f"{LAYER}attention.wqkv.weight",
        f"{LAYER}attention.wqkv.Plora_A.weight",
        f"{LAYER}attention.wo.Plora_B.weight",
        f"{LAYER}feed_forward.w1.Plora_B.weight",
        f"{LAYER}feed_forward.w2.weight",
        f"{LAYER}feed_forward.w3.Plora_A.weight",
    ],
)
def test_weights_of_the_language_model_keep_theirs(name: str) -> None:
    assert route_weight(name) == ("language", name)


@pytest.mark.parametrize(
    "name",
    [
        f"{LAYER}attention.wqkv.lora_sft_A.weight",
        f"{LAYER}attention.wo.lora_dpo_B.weight",
        f"{LAYER}feed_forward.w1.lora_web_A.weight",
        f"{LAYER}attention.rotary_emb.inv_freq",
        "video_mem_proj.2.weight",
        f"{TOWER}post_layernorm.bias",
        f"{TOWER}embeddings.position_ids",
    ],
)
def test_what_chat_does_not_use_is_unused_by_name(name: str) -> None:
    assert route_weight(name) == ("unused", name)


@pytest.mark.parametrize(
    "name",
    [
        f"{LAYER}attention.wk.weight",
        f"{LAYER}attention.wqkv.Plora_C.weight",
        f"{LAYER}feed_forward.w1.lora_new_A.weight",
        f"{LAYER}feed_forward.w4.weight",
        "model.extra.weight",
        f"{TOWER}encoder.layers.0.self_attn.qkv.weight",
        f"{TOWER}embeddings.patch_embedding.bias",
        "video_mem_proj.4.weight",
        "plora_new_GN",
    ],
)
def test_any_other_name_waits_in_vain(name: str) -> None:
    assert route_weight(name) == ("vision", name)


def test_no_two_weights_of_the_checkpoint_have_one_place(golden: Path) -> None:
    names = header_shapes(golden / "tiny")
    placed = [route_weight(name) for name in names]
    assert len(set(placed)) == len(names)
    assert {part for part, _ in placed} == {"language", "vision", "unused"}
