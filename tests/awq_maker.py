"""AWQ checkpoints made out of float ones, and the float checkpoints that they mean: the format, in plain NumPy.

Written from the description of ``WeightOnlyQLinear`` alone, number by number, and shared with nothing of vlmplug.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

Array = npt.NDArray[Any]
Weights = dict[str, Array]

#: Of the eight columns in one int32, the one that each four bits belong to, from the lowest up.
ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
#: What lmdeploy's ``auto_awq`` writes into ``llm_config``.
DECLARED = {"quant_method": "awq", "version": "gemm", "bits": 4, "zero_point": True}


@dataclass(frozen=True)
class Quantised:
    """One linear layer: 4-bit numbers [in, out], zeros and float16 scales [in / group, out]."""

    numbers: Array
    zeros: Array
    scales: Array

    @property
    def stored(self) -> Weights:
        """The three tensors of the file, by the ends of their names."""
        parts = {"qweight": packed(self.numbers), "qzeros": packed(self.zeros), "scales": self.scales}
        return {name: np.ascontiguousarray(part) for name, part in parts.items()}  # safetensors saves no others

    @property
    def meant(self) -> Array:
        """float32 [out, in]."""
        group = len(self.numbers) // len(self.zeros)
        zeros, scales = (np.repeat(part, group, 0) for part in (self.zeros, self.scales))
        values = (self.numbers.astype(np.float32) - zeros) * scales.astype(np.float32)
        return np.ascontiguousarray(values.T)


def quantised(weight: Array, group: int) -> Quantised:
    """Rounds [out, in] to 16 steps between least and greatest of each group of inputs."""
    grouped = weight.T.reshape(-1, group, len(weight)).astype(np.float32)
    low, high = grouped.min(1), grouped.max(1)
    scales = ((high - low) / 15).astype(np.float16)
    zeros = np.clip(np.round(-low / scales), 0, 15)
    numbers = np.clip(np.round(grouped / scales[:, None]) + zeros[:, None], 0, 15)
    return Quantised(numbers.reshape(weight.T.shape).astype(np.uint8), zeros.astype(np.uint8), scales)


def packed(numbers: Array) -> Array:
    """int32 [rows, columns / 8]."""
    eights = numbers.reshape(len(numbers), -1, 8).astype(np.uint32)
    words = np.zeros(eights.shape[:2], np.uint32)
    for place, column in enumerate(ORDER):
        words |= eights[:, :, column] << np.uint32(4 * place)
    return words.view(np.int32)


def is_layer(name: str, weight: Array) -> bool:
    """Whether AWQ packs a weight: linear layers of the language model's decoder, and nothing else."""
    return name.startswith("language_model.") and ".layers." in name and weight.ndim == 2


def write_awq(source: Path, folder: Path, group: int, at_top: bool = False) -> tuple[Path, Path]:
    """The AWQ checkpoint of an official float one, in two shards, and the float checkpoint that it means."""
    weights = {name: array for file in sorted(source.glob("*.safetensors")) for name, array in load_file(file).items()}
    stored: Weights = {}
    meant: Weights = {}
    for name, weight in weights.items():
        if is_layer(name, weight):
            layer, stem = quantised(weight, group), name.removesuffix("weight")
            stored |= {stem + part: array for part, array in layer.stored.items()}
            meant[name] = layer.meant
        else:
            stored[name] = weight.astype(np.float16)
            meant[name] = stored[name].astype(np.float32)
    config = {**json.loads((source / "config.json").read_text()), "torch_dtype": "float16"}
    awq = declared(config, {**DECLARED, "group_size": group}, at_top)
    return _write(source, folder / "awq", awq, stored), _write(source, folder / "float", config, meant)


def declared(config: Mapping[str, Any], quantisation: Mapping[str, Any], at_top: bool = False) -> dict[str, Any]:
    """A ``config.json`` that declares quantised weights, inside ``llm_config`` or at its top."""
    if at_top:
        return {**config, "quantization_config": quantisation}
    return {**config, "llm_config": {**config["llm_config"], "quantization_config": quantisation}}


def _write(source: Path, folder: Path, config: Mapping[str, Any], weights: Weights) -> Path:
    kept = shutil.ignore_patterns("*.safetensors", "*.index.json")
    shutil.copytree(source, folder, ignore=kept, copy_function=shutil.copyfile)
    (folder / "config.json").write_text(json.dumps(config))
    names = sorted(weights)
    where = {name: f"model-0000{number % 2 + 1}-of-00002.safetensors" for number, name in enumerate(names)}
    for file in sorted(set(where.values())):
        save_file({name: weights[name] for name in names if where[name] == file}, folder / file, {"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return folder
