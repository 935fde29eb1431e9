"""``ModelType`` and ``TemplateType``: the names that scripts write as attributes."""

from __future__ import annotations

import re
from collections.abc import Callable

from vlmplug.compat.swift.catalogue import CATALOGUE
from vlmplug.compat.swift.template_types import OWN, template_types
from vlmplug.nearest import did_you_mean
from vlmplug.registry import Registry

_NO_WORD = re.compile(r"\W")


class Names:
    """Names as attributes, with an underscore for whatever no attribute can hold; looked up when they are asked for.

    :param title: what it is called in messages. :param listed: the names.
    """

    def __init__(self, title: str, listed: Callable[[], list[str]]) -> None:
        self._title, self._listed = title, listed

    def __getattr__(self, attribute: str) -> str:
        """The name behind an attribute.

        :raises AttributeError: there is none, with the nearest ones.
        """
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        names = self._by_attribute()
        if attribute not in names:
            raise AttributeError(f"{self._title} has no {attribute!r}. {did_you_mean(attribute, names)}")
        return names[attribute]

    def __dir__(self) -> list[str]:
        return sorted(self._by_attribute())

    def _by_attribute(self) -> dict[str, str]:
        return {_NO_WORD.sub("_", name): name for name in self._listed()}


def _model_types() -> list[str]:
    """Those that are only known come first, so that a working one of the same attribute wins."""
    registry = CATALOGUE.registry()
    return [*registry.known, *registry.contested, *registry.aliases, *registry.model_types]


def _template_types() -> list[str]:
    registry: Registry = CATALOGUE.registry()
    return [*OWN, *template_types(registry)]


#: Every model type of the registry: ``ModelType.internvl2_2b`` is ``"internvl2-2b"``.
ModelType = Names("ModelType", _model_types)
#: Every template type: ``TemplateType.qwen_vl`` is ``"qwen-vl"``.
TemplateType = Names("TemplateType", _template_types)
