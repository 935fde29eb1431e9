"""Template types: the names that swift gives to the prompt formats of its models."""

from __future__ import annotations

from collections.abc import Mapping

from vlmplug.compat.swift.catalogue import CATALOGUE
from vlmplug.errors import NoPluginError, RegistryError
from vlmplug.model_type import ModelType
from vlmplug.registry import Registry

#: By template type, model types of swift 2.6 that have it; others of the same family and template have it, too.
TEMPLATE_TYPES: Mapping[str, tuple[str, ...]] = {
    "internvl": ("internvl-chat-v1_5", "mini-internvl-chat-2b-v1_5"),
    "internvl-phi3": ("mini-internvl-chat-4b-v1_5",),
    "internvl2": (
        "internvl2-1b",
        "internvl2-2b",
        "internvl2-8b",
        "internvl2-26b",
        "internvl2-40b",
        "internvl2-llama3-76b",
    ),
    "internvl2-phi3": ("internvl2-4b",),
    "glm4v": ("glm4v-9b-chat",),
    "qwen-vl": ("qwen-vl-chat",),
    "qwen-vl-generation": ("qwen-vl",),
    "deepseek-vl": ("deepseek-vl-1_3b-chat", "deepseek-vl-7b-chat"),
    "internlm-xcomposer2_5": ("internlm-xcomposer2_5-7b-chat",),
    "minicpm-v-v2_5": ("minicpm-v-v2_5-chat",),
    "minicpm-v-v2_6": ("minicpm-v-v2_6-chat",),
}
#: Template types that mean the model's own.
OWN = ("AUTO", "default")


def get_default_template_type(model_type: str) -> str:
    """The template type of a model type.

    Swift's name where swift 2.6 knows the model type, or one with the same prompt; else the template's own name.

    :raises RegistryError: there is no such model type.
    """
    registered = CATALOGUE.models.get(model_type)
    if registered is not None and registered.template_type is not None:
        return registered.template_type
    registry = CATALOGUE.registry()
    try:
        return template_type_of(registry, registry.model_type(model_type))
    except NoPluginError:
        if (listed := _listed(model_type)) is None:
            raise
        return listed


def template_type_of(registry: Registry, entry: ModelType) -> str:
    """The template type of an entry of the registry."""
    listed = _listed(entry.name)
    return listed or next((name for name in TEMPLATE_TYPES if _shares(registry, entry, name)), entry.template)


def template_types(registry: Registry) -> list[str]:
    """All template types: those of swift, those of the registry's model types, and those that were registered."""
    own = [template_type_of(registry, entry) for entry in registry.model_types.values()]
    return list(dict.fromkeys([*TEMPLATE_TYPES, *own, *CATALOGUE.templates]))


def _listed(model_type: str) -> str | None:
    return next((name for name, types in TEMPLATE_TYPES.items() if model_type in types), None)


def _shares(registry: Registry, entry: ModelType, template_type: str) -> bool:
    """Whether some model type that is listed has the family and the template of this one."""
    return any(
        (other.family, other.template) == (entry.family, entry.template)
        for other in (_entry(registry, name) for name in TEMPLATE_TYPES[template_type])
        if other is not None
    )


def _entry(registry: Registry, name: str) -> ModelType | None:
    try:
        return registry.model_type(name)
    except RegistryError:
        return None
