"""Which families there are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from training.families.deepseek_vl import DEEPSEEK_VL
from training.families.description import TinyFamily
from training.families.glm4v import GLM4V
from training.families.minicpm_v import MINICPM_V
from training.families.qwen_vl import QWEN_VL
from training.families.xcomposer2_5 import XCOMPOSER2_5

#: By the name of the model type.
FAMILIES: Mapping[str, TinyFamily] = MappingProxyType(
    {family.name: family for family in (GLM4V, DEEPSEEK_VL, MINICPM_V, QWEN_VL, XCOMPOSER2_5)}
)
