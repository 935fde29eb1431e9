"""The engine view: a temporary folder in which lmdeploy finds our configuration, tokenizer and links to the weights.

lmdeploy reads configuration, tokenizer and generation settings from the model folder by itself, in every worker. The
view gives it one architecture of ours, no remote code, and a generated fast tokenizer.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from vlmplug.engine.options import EngineOptions
from vlmplug.engine.weights import language_config, weight_files
from vlmplug.model import FamilyModel

ARCHITECTURE = "VlmplugForConditionalGeneration"
_SINGLE = "model.safetensors"
_INDEX = "model.safetensors.index.json"


class EngineView:
    """Owns the folder; `remove` deletes it (links only, never the weights)."""

    def __init__(self, model: FamilyModel, options: EngineOptions, dtype: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vlmplug-view-"))
        self._write("config.json", view_config(model, options, dtype))
        stop = list(model.stop_ids)
        self._write("generation_config.json", {"eos_token_id": stop})
        self._write("tokenizer_config.json", {**model.tokenizer.fast_config(), "eos_token": _stop_token(model)})
        (self.folder / "tokenizer.json").write_text(model.tokenizer.fast_json(), encoding="utf-8")
        if options.weights == "random":
            save_file({}, self.folder / _SINGLE)  # the glue draws the values
        else:
            self._link(weight_files(model.folder))

    def _write(self, name: str, content: dict[str, Any]) -> None:
        (self.folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")

    def _link(self, files: Iterable[Path]) -> None:
        files = list(files)
        if len(files) == 1:
            (self.folder / _SINGLE).symlink_to(files[0].resolve())
            return
        for file in files:
            (self.folder / file.name).symlink_to(file.resolve())
        self._write(_INDEX, {"metadata": {}, "weight_map": {file.name: file.name for file in files}})

    def remove(self) -> None:
        """Deletes the folder; repeating it is harmless."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _stop_token(model: FamilyModel) -> str:
    """The token that ends an answer; guided decoding lets it through once the answer is complete."""
    tokens = {number: token for token, number in model.tokenizer.special_tokens.items()}
    return tokens[model.stop_ids[0]]


def view_config(model: FamilyModel, options: EngineOptions, dtype: str) -> dict[str, Any]:
    """The ``config.json`` of the view."""
    text = {**language_config(model), "pad_token_id": None}  # lmdeploy would zero that row; official code keeps it
    return {
        "architectures": [ARCHITECTURE],
        "model_type": "vlmplug",
        "text_config": text,
        "tower": {"builder": model.tower.builder, "config": dict(model.tower.config)},
        "weight_route": model.weight_route,
        "engine": {
            "weights": options.weights,
            "seed": options.seed or 0,
            "tower_tiles": options.scheduler.tower_tiles,
            "own_positions": model.own_positions,
            "length_scaling": asdict(model.length_scaling) if model.length_scaling else None,
        },
        "torch_dtype": dtype,
        "tie_word_embeddings": bool(model.text_config.get("tie_word_embeddings", False)),
        "eos_token_id": list(model.stop_ids),
    }
