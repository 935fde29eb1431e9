"""Random checkpoints of a model type's true shape, in the official layout: for what loads folders, ours and others'."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

from vlmplug.checkpoint import open_source
from vlmplug.conversation import Conversation, PromptOptions, user_message
from vlmplug.engine.awq import stored_shapes
from vlmplug.engine.random_weights import random_weights
from vlmplug.engine.tower_weights import tower_shapes
from vlmplug.host import PluginHost
from vlmplug.model import FamilyModel
from vlmplug.registry import load_registry

SHARD_BYTES = 4 << 30
#: Jinja, as tokenizers of transformers have it.
TURNS = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ BEFORE }}{{ message['content'] }}{{ AFTER }}"
    "{% else %}{{ message['content'] }}{% endif %}"
    "{% endfor %}"
)


def write_weights(model_type: str, folder: Path, device: str) -> None:
    """Fills a folder of `true_shape.shape_folder` with seeded weights, with the official names and types."""
    registry = load_registry()
    host = PluginHost(registry)
    model = host.load_model(open_source(registry, model_type, folder))
    (folder / "tokenizer.json").write_text(model.tokenizer.fast_json(), encoding="utf-8")
    config = {**model.tokenizer.fast_config(), "eos_token": "</s>", "chat_template": chat_template(host, model)}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    shapes = {f"language_model.{name}": shape for name, shape in stored_shapes(model.text_config).items()}
    shapes |= tower_shapes(model.tower)
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(_shards(shapes)):
        name = f"model-{number:05}.safetensors"
        weights = random_weights(shard, seed=number, device=torch.device(device))
        save_file({key: _typed(value, model.dtype) for key, value in weights}, folder / name, {"format": "pt"})
        weight_map |= dict.fromkeys(shard, name)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def chat_template(host: PluginHost, model: FamilyModel) -> str:
    """A Jinja template for one turn that makes others' prompts those of the family's plugin, system text included."""
    turn = "the user's message"
    before, after = host.render_prompt(model, Conversation((user_message(turn),)), PromptOptions()).text("").split(turn)
    return TURNS.replace("BEFORE", json.dumps(before)).replace("AFTER", json.dumps(after))


def _typed(value: torch.Tensor, dtype: str) -> torch.Tensor:
    return (value.to(getattr(torch, dtype)) if value.is_floating_point() else value).cpu()


def _shards(shapes: dict[str, tuple[int, ...]]) -> Iterator[dict[str, tuple[int, ...]]]:
    shard: dict[str, tuple[int, ...]] = {}
    size = 0
    for name, shape in shapes.items():
        bytes_ = 2 * torch.Size(shape).numel()
        if shard and size + bytes_ > SHARD_BYTES:
            yield shard
            shard, size = {}, 0
        shard[name] = shape
        size += bytes_
    yield shard
