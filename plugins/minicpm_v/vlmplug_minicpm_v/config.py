"""From the official JSON files to what the host and lmdeploy read; the checkpoint's own code is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmplug.config_json import declared_architectures
from vlmplug.json_files import read_json_if_there
from vlmplug.parts.checkpoint import check_architecture
from vlmplug.parts.section import Section
from vlmplug.quantisation import QUANTISATION, read_quantisation
from vlmplug_minicpm_v.fields import RESAMPLER_HEAD, check_slicing, check_text, check_vision
from vlmplug_minicpm_v.options import OptionReader, SliceOptions
from vlmplug_minicpm_v.versions import Version

ARCHITECTURE = "MiniCPMV"
PREPROCESSOR = "preprocessor_config.json"
#: How messages call what both files say of it.
_PROCESSOR_SETTINGS = f"The image processor ({PREPROCESSOR} or, where that is silent, config.json)"
#: How the official ``encode_video`` example asks for frames.
_FRAME_SLICES = 2

#: Defaults of the official ``configuration_minicpm.py``, for fields that a ``config.json`` leaves out.
_DEFAULTS: Mapping[str, Any] = {"drop_vision_last_layer": True, "slice_mode": True, "use_image_id": True}
#: Defaults of the official ``image_processing_minicpmv.py``.
_SLICING: Mapping[str, Any] = {
    "max_slice_nums": 9,
    "scale_resolution": 448,
    "patch_size": 14,
    "slice_mode": True,
    "norm_mean": [0.5, 0.5, 0.5],
    "norm_std": [0.5, 0.5, 0.5],
}
_TEXT_FIELDS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "rms_norm_eps",
    "max_position_embeddings",
    "vocab_size",
)
_OPTIONAL_TEXT_FIELDS = ("head_dim", "bos_token_id", "eos_token_id")
#: By type of the language model: fields that only it has, with their defaults.
_OWN_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "llama": {"attention_bias": False, "mlp_bias": False},
    "qwen2": {"use_sliding_window": False, "sliding_window": None},
}


@dataclass(frozen=True)
class MiniCPMVSettings:
    """What this family's hooks need to know of a checkpoint.

    - ``side``, ``patch``: of the trained square and of a patch, in pixels. ``queries``: embeddings of a slice.
    - ``mean``, ``std``: of the pixels. ``options``: media options where the caller says nothing.
    - ``opening``: the token in front of every prompt; empty: none.
    - ``letter``: an ordinary piece of text that the official tokenizer nevertheless never merges, and its id.
    """

    version: Version
    side: int
    patch: int
    queries: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    options: OptionReader
    opening: str
    letter: tuple[str, int] | None


@dataclass(frozen=True)
class Official:
    """``config.json`` and the settings of the image processor, defaults filled in and checked."""

    config: Mapping[str, Any]
    slicing: Mapping[str, Any]


def checked(config: Mapping[str, Any], folder: Path) -> Official:
    """The official settings of a checkpoint.

    :raises CheckpointMismatchError: another architecture, parts of it are missing, or numbers that make no sense.
    """
    check_architecture(declared_architectures(config), (ARCHITECTURE,))
    filled = {**_DEFAULTS, **config}
    section = Section("config.json", filled)
    check_text(section)
    check_vision(section.section("vision_config"))
    slicing = _slicing(filled, read_json_if_there(folder / PREPROCESSOR))
    check_slicing(Section(_PROCESSOR_SETTINGS, slicing), section)
    return Official(filled, slicing)


def _slicing(config: Mapping[str, Any], processor: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the image processor; what its own file does not say is as ``config.json`` says."""
    sliced = config.get("slice_config")
    of_model = sliced if isinstance(sliced, Mapping) else {}
    of_model = {**of_model, "image_feature_size": config["query_num"]}
    shared = {name: config[name] for name in ("slice_mode", "use_image_id")}
    return {**_SLICING, **shared, **of_model, **processor}


def settings(official: Official, version: Version, opening: str, letter: tuple[str, int] | None) -> MiniCPMVSettings:
    """Settings of a checkpoint."""
    slicing, numbers = official.slicing, bool(version.tags.number)
    image = SliceOptions(slicing["max_slice_nums"], use_image_id=numbers and slicing["use_image_id"])
    options = OptionReader(image, SliceOptions(_FRAME_SLICES, use_image_id=False), numbers)
    mean, std = ((float(r), float(g), float(b)) for r, g, b in (slicing["norm_mean"], slicing["norm_std"]))
    queries = official.config["query_num"]
    return MiniCPMVSettings(
        version, slicing["scale_resolution"], slicing["patch_size"], queries, mean, std, options, opening, letter
    )


def tower_config(official: Official, version: Version) -> dict[str, Any]:
    """What `vlmplug_minicpm_v.tower.build_tower` reads."""
    vision = official.config["vision_config"]
    return {
        "vision": {
            "width": vision["hidden_size"],
            "inner": vision["intermediate_size"],
            "layers": vision["num_hidden_layers"] - bool(official.config["drop_vision_last_layer"]),
            "heads": vision["num_attention_heads"],
            "patch": vision["patch_size"],
            "side": vision["image_size"] // vision["patch_size"],
            "eps": vision.get("layer_norm_eps", 1e-6),
        },
        "positions": version.positions,
        "resampler": {
            "queries": official.config["query_num"],
            "hidden": official.config["hidden_size"],
            "heads": official.config["hidden_size"] // RESAMPLER_HEAD,
        },
        "mean": official.slicing["norm_mean"],
        "std": official.slicing["norm_std"],
    }


def text_config(config: Mapping[str, Any], version: Version) -> dict[str, Any]:
    """The language model's configuration, without what only remote code reads.

    :raises CheckpointMismatchError: weights are quantised otherwise than the engine can run.
    """
    architecture, model_type = version.language
    quantisation = read_quantisation(config)
    return {
        "architectures": [architecture],
        "model_type": model_type,
        **{name: config[name] for name in _TEXT_FIELDS},
        **{name: config[name] for name in _OPTIONAL_TEXT_FIELDS if config.get(name) is not None},
        **{name: config.get(name, default) for name, default in _OWN_FIELDS[model_type].items()},
        "hidden_act": config.get("hidden_act", "silu"),
        "rope_parameters": {"rope_type": "default", "rope_theta": float(config["rope_theta"])},
        # transformers' own default is true; no official checkpoint says so
        "tie_word_embeddings": bool(config.get("tie_word_embeddings", False)),
        **({} if quantisation is None else {QUANTISATION: quantisation}),
    }
