"""Configuration classes of the engine view.

Importing this module (unpickling an instance imports it) registers everything that lmdeploy needs to run a vlmplug
model in this process, so that worker processes find the glue without being told.
"""

from __future__ import annotations

from typing import Any

from lmdeploy.pytorch.config import ModelConfig
from lmdeploy.pytorch.configurations import AutoModelConfigBuilder
from lmdeploy.pytorch.models.module_map import CUSTOM_MODULE_MAP
from transformers import AutoConfig, PretrainedConfig

from vlmplug.engine import faults, outputs, rope
from vlmplug.engine.compatibility import Needed

ARCHITECTURE = "VlmplugForConditionalGeneration"
MODEL_TYPE = "vlmplug"

NEEDED = (
    Needed("lmdeploy.pytorch.models.module_map", "CUSTOM_MODULE_MAP"),
    Needed("lmdeploy.pytorch.configurations", "AutoModelConfigBuilder.build", ("hf_config", "model_path")),
)


#: lmdeploy's builders read them of every language model, transformers 5 keeps only those that a file names.
_TOKEN_IDS = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))


class VlmplugTextConfig(PretrainedConfig):  # type: ignore[misc]
    """The language model's own configuration, under its own ``model_type``, without remote code."""

    model_type = "vlmplug_text"

    def __init__(self, rope_parameters: dict[str, Any] | None = None, **fields: Any) -> None:
        language = fields.pop("model_type", self.model_type)
        super().__init__(**{**_TOKEN_IDS, **fields})
        self.rope_parameters = rope_parameters
        self.model_type = language  # lmdeploy's builders and models look at it


class VlmplugConfig(PretrainedConfig):  # type: ignore[misc]
    """What the glue reads: the language model, how to build the tower, how names are routed."""

    model_type = MODEL_TYPE

    def __init__(
        self,
        text_config: dict[str, Any] | VlmplugTextConfig | None = None,
        tower: dict[str, Any] | None = None,
        weight_route: str = "",
        engine: dict[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        self.text_config = VlmplugTextConfig(**text_config) if isinstance(text_config, dict) else text_config
        self.tower = tower or {}
        self.weight_route = weight_route
        self.engine = engine or {}
        super().__init__(**fields)


class VlmplugModelConfigBuilder(AutoModelConfigBuilder):  # type: ignore[misc]
    """Builds lmdeploy's ModelConfig from the language model's part by lmdeploy's own rules."""

    @classmethod
    def condition(cls, hf_config: PretrainedConfig) -> bool:
        """Whether this builder is the one for a configuration."""
        return getattr(hf_config, "model_type", None) == MODEL_TYPE

    @classmethod
    def build(cls, hf_config: PretrainedConfig, model_path: str | None = None, **fields: Any) -> ModelConfig:
        """lmdeploy's signature; what else it passes goes on to the language model's builder unchanged."""
        config = AutoModelConfigBuilder.build(hf_config.text_config, model_path, **fields)
        config.hf_config = hf_config
        # lmdeploy carries position ids of ours where prompts bring some, or rotary factors depend on a prompt's length
        own = any(hf_config.engine.get(part) for part in ("own_positions", "length_scaling"))
        config.use_mrope = config.use_mrope or own or rope.crossing_limit(vars(hf_config.text_config)) is not None
        return config


def register() -> None:
    """Makes the classes of this module known to transformers and lmdeploy, and mends lmdeploy in this process.

    Repeating it changes nothing.
    """
    faults.install()
    outputs.install()
    AutoConfig.register(MODEL_TYPE, VlmplugConfig, exist_ok=True)
    CUSTOM_MODULE_MAP[ARCHITECTURE] = f"vlmplug.engine.glue.{ARCHITECTURE}"


register()
