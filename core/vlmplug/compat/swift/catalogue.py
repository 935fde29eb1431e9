"""What a program has registered, beside what the registry offers.

As in swift it belongs to the process. Registered model types are a plugin of their own: a manifest and a registry file
in a temporary folder, read and checked like those of any other plugin.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vlmplug.discovery import default_sources
from vlmplug.errors import VlmplugError
from vlmplug.registry import Registry, load_registry

if TYPE_CHECKING:
    from vlmplug.compat.swift.template import Template

#: The plugin that registered model types belong to.
PLUGIN = "registered"


@dataclass(frozen=True)
class RegisteredModel:
    """A model type that was registered.

    - ``manifest``: its entry in a manifest. ``checkpoint``: its model folder; None: from a hub.
    - ``template_type``: None: the one of its kind.
    - ``dtype``: as `EngineOptions`; ``stop``: a further token that ends answers.
    """

    manifest: Mapping[str, Any]
    checkpoint: Path | None = None
    template_type: str | None = None
    dtype: str = "auto"
    stop: int | str | None = None


class Catalogue:
    """Model types and templates that were registered; usable from several threads."""

    def __init__(self) -> None:
        self._models: dict[str, RegisteredModel] = {}
        self._templates: dict[str, Template] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()

    @property
    def models(self) -> Mapping[str, RegisteredModel]:
        """Registered model types, by name."""
        return MappingProxyType(self._models)

    @property
    def templates(self) -> Mapping[str, Template]:
        """Registered templates, by template type."""
        return MappingProxyType(self._templates)

    def registry(self) -> Registry:
        """Everything that is installed, and everything that was registered.

        :raises ManifestError: the built-in registry, or what was registered, cannot be read.
        """
        with self._lock:
            files = () if self._folder is None else (Path(self._folder.name) / "registry.yaml",)
            return load_registry(default_sources(files))

    def add_model(self, name: str, model: RegisteredModel) -> None:
        """Takes a model type in; where there was one of that name it is replaced.

        :raises RegistryError: the entry breaks the rules of manifests; nothing changes then.
        """
        before = dict(self._models)
        self._replace({**before, name: model})
        try:
            registry = self.registry()
            if (error := registry.plugin(PLUGIN).error) is not None:
                raise error
            registry.model_type(name)
        except VlmplugError:
            self._replace(before)
            raise

    def remove_model(self, name: str) -> None:
        """Takes a model type out again."""
        self._replace({key: model for key, model in self._models.items() if key != name})

    def add_template(self, template_type: str, template: Template) -> None:
        """Takes a template in; where there was one of that name it is replaced."""
        with self._lock:
            self._templates[template_type] = template

    def remove_template(self, template_type: str) -> None:
        """Takes a template out again."""
        with self._lock:
            self._templates.pop(template_type, None)

    def _replace(self, models: dict[str, RegisteredModel]) -> None:
        with self._lock:
            self._models = models
            self._write()

    def _write(self) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="vlmplug-registered-")
        folder = Path(self._folder.name)
        manifest = {
            "manifest": 1,
            "plugin": {"name": PLUGIN, "api": 1},
            "model_types": {name: dict(model.manifest) for name, model in self._models.items()},
        }
        (folder / "manifest.yaml").write_text(json.dumps(manifest), "utf-8")
        registry = {
            "registry": 1,
            "plugins": {PLUGIN: {"manifest": "manifest.yaml"}} if self._models else {},
            "owners": {"model_types": dict.fromkeys(self._models, PLUGIN)},
            "model_types": {
                name: {"checkpoint": str(model.checkpoint)} for name, model in self._models.items() if model.checkpoint
            },
        }
        (folder / "registry.yaml").write_text(json.dumps(registry), "utf-8")


#: What this process has registered.
CATALOGUE = Catalogue()
