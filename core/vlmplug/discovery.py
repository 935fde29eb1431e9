"""Which plugins there are: the built-in registry, installed packages, the user's registry file, files named by hand.

Each of these layers says something about plugins by name; a later layer wins over an earlier one. Nothing is imported:
a package is located through its import specification, and its manifest lies inside it as data.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from importlib import metadata
from pathlib import Path

from vlmplug.document import Value, read_document
from vlmplug.errors import DuplicateNameError, RegistryError
from vlmplug.manifest import named
from vlmplug.model_type import Layer

ENTRY_POINTS = "vlmplug.plugins"
FORMAT = 1

_MANIFEST = "manifest.yaml"


@dataclass(frozen=True)
class RegistrySources:
    """Where plugins are looked for, from the weakest to the strongest layer.

    - ``built_in``: the registry that ships with vlmplug. ``installed``: whether to ask installed packages.
    - ``user``: the user's own registry file; it need not exist. ``files``: further ones, which must exist.
    - ``strict``: a broken plugin or a name with two owners is an error, not a note.
    """

    built_in: Path | None
    installed: bool = True
    user: Path | None = None
    files: tuple[Path, ...] = ()
    strict: bool = False


@dataclass(frozen=True)
class PackageManifest:
    """A manifest inside an importable package; ``package`` may be dotted, only its first part is looked up."""

    package: str
    file: str = _MANIFEST

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

    ``error``: why the plugin cannot be used, found while the layers were put together.
    """

    name: str
    layer: Layer
    distribution: str | None = None
    version: str | None = None
    manifest: PackageManifest | FileManifest | None = None
    enabled: bool | None = None
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
            error=self.error or later.error or self._clash(later),
        )

    def _clash(self, later: Statement) -> DuplicateNameError | None:
        if later.layer != "installed" or not self.distribution or not later.distribution:
            return None
        if _same_distribution(self.distribution, later.distribution):
            return None
        return DuplicateNameError(
            f"The plugin name {self.name!r} is claimed by the packages {self.distribution} and {later.distribution}.",
            f"Uninstall one, or name the one to use as `distribution` of {self.name} in a registry file.",
        )


def default_sources(files: Iterable[Path] = (), strict: bool = False) -> RegistrySources:
    """Everything that a user expects: built-in, installed, the user's file, and ``files``."""
    return RegistrySources(built_in_file(), True, user_file(), tuple(files), strict)


def built_in_file() -> Path:
    """The registry that ships inside the package, or stands at the top of a checkout."""
    package = Path(__file__).resolve().parent
    shipped = package / "registry.yaml"
    return shipped if shipped.is_file() else package.parent.parent / "registry.yaml"


def user_file() -> Path:
    """Where the user's own registry file is looked for: the platform's configuration folder."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "vlmplug" / "registry.yaml"


def discover(sources: RegistrySources) -> dict[str, Statement]:
    """What all layers together say, by plugin name.

    :raises ManifestError: a registry file cannot be read or breaks its schema.
    """
    named_files = [statement for file in sources.files for statement in read_registry_file(file, "option")]
    user = sources.user if sources.user is not None and sources.user.is_file() else None
    chosen = [*(read_registry_file(user, "user") if user else ()), *named_files]
    layers: list[Statement] = []
    if sources.built_in is not None:
        layers += read_registry_file(sources.built_in, "built-in")
    if sources.installed:
        layers += _of_choice(list(installed_plugins()), chosen)
    return _together([*_of_choice(layers, chosen), *chosen])


def read_registry_file(file: Path, layer: Layer) -> list[Statement]:
    """What a registry file says about plugins.

    :raises ManifestError: it cannot be read or breaks its schema.
    """
    fields = read_document(file).fields(("registry",), ("plugins",))
    fields["registry"].integer(FORMAT, FORMAT)
    plugins = fields["plugins"].entries() if "plugins" in fields else {}
    return [_statement(name, value, layer) for name, value in plugins.items()]


def installed_plugins() -> Iterator[Statement]:
    """Plugins of installed packages, by their entry points; nothing is imported."""
    for point in metadata.entry_points(group=ENTRY_POINTS):
        yield Statement(
            name=point.name,
            layer="installed",
            distribution=point.dist.name if point.dist else None,
            version=point.dist.version if point.dist else None,
            manifest=PackageManifest(point.value.partition(":")[0].strip()),
        )


def _statement(name: str, value: Value, layer: Layer) -> Statement:
    fields = value.fields((), ("distribution", "package", "manifest", "enabled"))
    return Statement(
        name=named(replace(value, content=name, plain=False)),
        layer=layer,
        distribution=fields["distribution"].text() if "distribution" in fields else None,
        manifest=_manifest(fields, value.file.parent),
        enabled=fields["enabled"].flag() if "enabled" in fields else None,
    )


def _manifest(fields: dict[str, Value], folder: Path) -> PackageManifest | FileManifest | None:
    file = fields["manifest"].text() if "manifest" in fields else None
    if "package" in fields:
        return PackageManifest(fields["package"].text(), file or _MANIFEST)
    return FileManifest(folder / file) if file else None


def _of_choice(statements: list[Statement], chosen: list[Statement]) -> list[Statement]:
    """Without those of packages that a registry file rules out by naming another one."""
    choice = {statement.name: statement.distribution for statement in chosen if statement.distribution}
    return [s for s in statements if s.name not in choice or _is_choice(s, choice[s.name])]


def _is_choice(statement: Statement, distribution: str | None) -> bool:
    return not (statement.distribution and distribution) or _same_distribution(statement.distribution, distribution)


def _together(statements: list[Statement]) -> dict[str, Statement]:
    by_name: dict[str, list[Statement]] = {}
    for statement in statements:
        by_name.setdefault(statement.name, []).append(statement)
    return {name: reduce(Statement.overridden_by, layers) for name, layers in by_name.items()}


def _same_distribution(one: str, other: str) -> bool:
    return _normal(one) == _normal(other)


def _normal(distribution: str) -> str:
    """The spelling under which package indexes compare names."""
    return re.sub(r"[-_.]+", "-", distribution).lower()
