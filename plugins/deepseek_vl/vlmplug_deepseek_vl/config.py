"""From a ``config.json`` of either format to what the host and lmdeploy read; no outside package is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlmplug.config_json import declared_architectures
from vlmplug.errors import CheckpointMismatchError
from vlmplug.parts.checkpoint import check_architecture, weights_dtype
from vlmplug.parts.section import Section
from vlmplug_deepseek_vl import native, official
from vlmplug_deepseek_vl.language import text_config
from vlmplug_deepseek_vl.vision import Vision

OFFICIAL = "MultiModalityCausalLM"
NATIVE = ("DeepseekVLForConditionalGeneration", "DeepseekVLHybridForConditionalGeneration")
#: Keys that only Janus has, which shares the official architecture.
_JANUS = ("gen_vision_config", "gen_head_config", "gen_aligner_config")


@dataclass(frozen=True)
class Configuration:
    """What the configuration files of a checkpoint say.

    - ``text``: the language model, as lmdeploy reads it. ``vision``: towers and projector.
    - ``route``: name of a function of `vlmplug_deepseek_vl.weights`. ``dtype``: of the weights.
    """

    text: dict[str, Any]
    vision: Vision
    route: str
    dtype: str


def read_configuration(config: Mapping[str, Any], processor: Mapping[str, Any]) -> Configuration:
    """The configuration of a checkpoint.

    :param config: ``config.json``. :param processor: settings of the image processor; empty where there are none.
    :raises CheckpointMismatchError: another architecture, parts of it are missing, or numbers that make no sense.
    """
    named = declared_architectures(config)
    if janus := [key for key in _JANUS if key in config]:
        raise CheckpointMismatchError(
            f"config.json has {janus[0]}: this is a checkpoint of Janus, which draws pictures and prompts otherwise.",
            "This family reads DeepSeek-VL; name a checkpoint of it.",
        )
    check_architecture(named, (OFFICIAL, *NATIVE))
    read = (_official if OFFICIAL in named else _native)(config, processor)
    if read.vision.aligner.output != read.text["hidden_size"]:
        raise CheckpointMismatchError(
            f"The aligner gives {read.vision.aligner.output} channels and the language model takes "
            f"{read.text['hidden_size']}.",
            "Use the official config.json.",
        )
    return read


def _official(config: Mapping[str, Any], processor: Mapping[str, Any]) -> Configuration:
    text = text_config(Section("config.json", config).section("language_config"), config)
    vision = official.read_vision(config, processor)
    route = "official_single" if vision.sam is None else "official_hybrid"
    return Configuration(text, vision, route, weights_dtype(config, "float16"))


def _native(config: Mapping[str, Any], processor: Mapping[str, Any]) -> Configuration:
    text = text_config(Section("config.json", config).section("text_config"), config)
    vision = native.read_vision(config, processor, text["hidden_size"])
    return Configuration(text, vision, "native", weights_dtype(config, "float16"))
