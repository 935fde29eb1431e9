"""Makes plugins on disk for tests of the registry and the host: packages, manifests, registry files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vlmplug.discovery import RegistrySources
from vlmplug.registry import Registry, load_registry

MODEL_TYPE: Mapping[str, Any] = {
    "family": "toy",
    "template": "plain",
    "modalities": ["text", "image"],
    "parameters": 1000,
    "context_length": 128,
    "licence": {"name": "MIT"},
}
FAMILY: Mapping[str, Any] = {"title": "Toy", "architectures": ["ToyForCausalLM"]}

#: Hooks of a family whose prompts are the text of the conversation, with one token a picture.
TOY_HOOKS = """
import numpy as np
import tokenizers
from pathlib import Path
from vlmplug.hooks import hookimpl
from vlmplug.model import EngineInput, FamilyModel, MediaInput, MediaSpan, TowerSpec
from vlmplug.prompt import MediaItem, MediaSlot, RenderedPrompt, Text
from vlmplug.text_model import TextModel
from vlmplug.tokenizer import Tokenizer

EMPTY = TextModel(tokenizers.Tokenizer(tokenizers.models.BPE()), "byte_level", "none", (), {})

@hookimpl
def load_model(source):
    return FamilyModel(
        model_type=source.model_type, family=source.family, folder=source.folder,
        tokenizer=Tokenizer(source.folder, EMPTY, (), {}, ()),
        text_config={"vocab_size": 100}, tower=TowerSpec("toy:tower", {}), weight_route="toy:route",
        stop_ids=(2,), placeholder_id=7, context_length=128, dtype="float32", settings=None)

@hookimpl
def render_prompt(model, conversation):
    slots = tuple(MediaSlot((MediaItem(part),)) for part in range(len(conversation.media)))
    return RenderedPrompt((Text(conversation.turns[0].text), *slots))

@hookimpl
def preprocess_media(batch):
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    return tuple(MediaInput(pixels, 3, None, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)) for _ in batch.items)

@hookimpl
def inject_vision_tokens(prompt, inputs):
    spans = tuple(MediaSpan(number, 1 + 3 * number, 3) for number in range(len(inputs)))
    return EngineInput((1, *(7,) * 3 * len(inputs)), spans, inputs)
"""


def manifest(name: str, **parts: Any) -> dict[str, Any]:
    """A manifest of the plugin ``name``; ``parts`` go into its section ``plugin`` or stand beside it."""
    sections = {key: parts.pop(key) for key in ("families", "model_types", "blocks") if key in parts}
    return {"manifest": 1, "plugin": {"name": name, "api": 1, **parts}, **sections}


def toy_manifest(name: str = "toy", **parts: Any) -> dict[str, Any]:
    """A manifest with the family ``toy`` and the model type ``toy-1b``, with hooks."""
    families = {"toy": {**FAMILY, **parts.pop("family", {})}}
    return manifest(
        name, hooks=f"{name}_plugin.hooks", families=families, model_types={"toy-1b": dict(MODEL_TYPE)}, **parts
    )


def write_yaml(file: Path, content: Any) -> Path:
    """Writes a YAML file and the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False), "utf-8")
    return file


def write_plugin(folder: Path, name: str, content: Any, hooks: str | None = None) -> str:
    """A package ``NAME_plugin`` in ``folder`` with a manifest and, if given, a module ``hooks``; returns its name."""
    package = folder / f"{name}_plugin"
    write_yaml(package / "manifest.yaml", content)
    (package / "__init__.py").write_text("", "utf-8")
    if hooks is not None:
        (package / "hooks.py").write_text(hooks, "utf-8")
    return package.name


def registry_of(folder: Path, plugins: Mapping[str, Any], strict: bool = False) -> Registry:
    """The registry of one registry file, and nothing else."""
    file = write_yaml(folder / "registry.yaml", {"registry": 1, "plugins": dict(plugins)})
    return load_registry(RegistrySources(None, False, None, (file,), strict))


def packages(*names: str) -> dict[str, Any]:
    """What a registry file says about the plugins ``names`` made by `write_plugin`."""
    return {name: {"package": f"{name}_plugin"} for name in names}
