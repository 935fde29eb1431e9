"""What one source says about one plugin, and how statements of several sources come together."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from vlmplug.errors import DuplicateNameError, RegistryError
from vlmplug.light_dataclass import dataclass, replace
from vlmplug.model_type import Layer, Source

MANIFEST = "manifest.yaml"


@dataclass(frozen=True)
class PackageManifest:
    """A manifest inside an importable package; ``package`` may be dotted, only its first part is looked up."""

    package: str
    file: str = MANIFEST

    def locate(self) -> Path | None:
        """The manifest's path, without importing anything; None where the package is not installed."""
        top, *inner = self.package.split(".")
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            return None
        folders = spec.submodule_search_locations if spec is not None else None
        return Path(next(iter(folders)), *inner, self.file) if folders else None


@dataclass(frozen=True)
class FileManifest:
    """A manifest given by its path."""

    path: Path

    def locate(self) -> Path | None:
        """The path itself."""
        return self.path


@dataclass(frozen=True)
class Statement:
    """What one layer says about one plugin; None: it says nothing on that.

    - ``source``: its place in a registry file; None: an installed package.
    - ``error``: why the plugin cannot be used, found while the layers were put together.
    """

    name: str
    layer: Layer
    distribution: str | None = None
    version: str | None = None
    manifest: PackageManifest | FileManifest | None = None
    enabled: bool | None = None
    source: Source | None = None
    error: RegistryError | None = None

    def overridden_by(self, later: Statement) -> Statement:
        """Both together; ``later`` wins wherever it says something, and must not be another package by chance."""
        return replace(
            self,
            layer=later.layer,
            distribution=later.distribution or self.distribution,
            version=later.version or self.version,
            manifest=later.manifest or self.manifest,
            enabled=self.enabled if later.enabled is None else later.enabled,
            source=later.source or self.source,
            error=self.error or later.error or self._clash(later),
        )

    def _clash(self, later: Statement) -> DuplicateNameError | None:
        if later.layer != "installed" or not self.distribution or not later.distribution:
            return None
        if same_distribution(self.distribution, later.distribution):
            return None
        return DuplicateNameError(
            f"The plugin name {self.name!r} is claimed by the packages {self._claimant()} and {later._claimant()}.",
            f"Uninstall one, or choose: plugins: {{{self.name}: {{distribution: {self.distribution}}}}} in a registry "
            f"file (or {later.distribution}).",
        )

    def _claimant(self) -> str:
        return f"{self.distribution} ({self.source or 'installed'})"


def same_distribution(one: str, other: str) -> bool:
    """Whether package indexes take both spellings for the same distribution."""
    return normal_name(one) == normal_name(other)


def normal_name(distribution: str) -> str:
    """The spelling under which package indexes compare names."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
