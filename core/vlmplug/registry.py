"""The registry: plugins, families and model types, found and read without importing any of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from vlmplug.discovery import RegistrySources, Statement, default_sources, discover
from vlmplug.errors import DuplicateNameError, ManifestError, RegistryError, UnknownModelTypeError, VlmplugError
from vlmplug.hook_api import HOOK_API
from vlmplug.manifest import Manifest, read_manifest
from vlmplug.model_type import Family, Layer, ModelType, Source
from vlmplug.nearest import did_you_mean

Status = Literal["ready", "off", "missing", "broken"]


@dataclass(frozen=True)
class PluginRecord:
    """One plugin, whether it works or not.

    - ``layer``: the strongest layer that says something about it.
    - ``manifest``: its file; None where the package is not installed. ``hooks``: import path; None: no code.
    - ``error``: why it cannot be used; everything else keeps working.
    """

    name: str
    layer: Layer
    distribution: str | None = None
    version: str | None = None
    manifest: Path | None = None
    hooks: str | None = None
    api: int | None = None
    wrappers: bool = False
    enabled: bool = True
    error: VlmplugError | None = None

    @property
    def status(self) -> Status:
        """``ready``, ``off`` (disabled), ``missing`` (not installed) or ``broken`` (see ``error``)."""
        if not self.enabled:
            return "off"
        if self.error is None:
            return "ready"
        return "missing" if self.manifest is None and not isinstance(self.error, DuplicateNameError) else "broken"


@dataclass(frozen=True)
class Claim:
    """Somebody says that a name is theirs."""

    plugin: str
    source: Source


@dataclass(frozen=True)
class Registry:
    """Everything that can be named.

    - ``plugins``: all that were found, by name.
    - ``families``, ``model_types``: what the working ones declare; names with two owners are left out.
    - ``aliases``: other names of model types.
    - ``contested``: names with two owners, with all who claim them.
    """

    plugins: Mapping[str, PluginRecord]
    families: Mapping[str, Family] = field(default_factory=dict)
    model_types: Mapping[str, ModelType] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    contested: Mapping[str, tuple[Claim, ...]] = field(default_factory=dict)

    def model_type(self, name: str) -> ModelType:
        """The model type of that name or alias.

        :raises UnknownModelTypeError: with the nearest names.
        :raises DuplicateNameError: two plugins claim it; naming both.
        """
        if name in self.contested:
            raise self._duplicate(name)
        found = self.model_types.get(self.aliases.get(name, name))
        if found is None:
            raise UnknownModelTypeError(
                f"There is no model type {name!r}.{self._idle()}",
                did_you_mean(name, [*self.model_types, *self.aliases]),
            )
        return found

    def family(self, name: str) -> Family:
        """The family of that name.

        :raises DuplicateNameError: two plugins claim it. :raises RegistryError: no working plugin offers it.
        """
        if (claimed := _family_key(name)) in self.contested:
            raise self._duplicate(claimed)
        if name not in self.families:
            raise RegistryError(
                f"No working plugin offers the family {name!r}.{self._idle()}",
                "Install or mend its plugin; `vlmplug plugins list` shows all.",
            )
        return self.families[name]

    def plugin(self, name: str) -> PluginRecord:
        """The plugin of that name.

        :raises RegistryError: with the nearest names.
        """
        if name not in self.plugins:
            raise RegistryError(f"There is no plugin {name!r}.", did_you_mean(name, self.plugins))
        return self.plugins[name]

    def owner(self, family: str) -> PluginRecord:
        """The plugin whose hooks answer for a family.

        :raises RegistryError: as `family` does.
        """
        return self.plugins[self.family(family).plugin]

    def families_of(self, architectures: Iterable[str]) -> tuple[Family, ...]:
        """The families whose checkpoints name one of these architectures in their ``config.json``."""
        wanted = set(architectures)
        return tuple(family for family in self.families.values() if wanted & set(family.architectures))

    def raise_problems(self) -> None:
        """For those who want no half-working registry.

        :raises VlmplugError: the first plugin that is broken, or the first name with two owners. A plugin that is
            off or not installed is no problem.
        """
        for record in self.plugins.values():
            if record.status == "broken" and record.error is not None:
                raise record.error
        for name in self.contested:
            raise self._duplicate(name)

    def _duplicate(self, name: str) -> DuplicateNameError:
        owners = " and ".join(f"plugin {claim.plugin} ({claim.source})" for claim in self.contested[name])
        plugins = sorted({claim.plugin for claim in self.contested[name]})
        return DuplicateNameError(
            f"{name!r} is claimed by {owners}.",
            f"Turn {plugins[0]} or {plugins[-1]} off: `enabled: false` below its name in a registry file.",
        )

    def _idle(self) -> str:
        idle = [f"{record.name} ({record.status})" for record in self.plugins.values() if record.status != "ready"]
        return f" Plugins that do not answer: {', '.join(idle)}." if idle else ""


def load_registry(sources: RegistrySources | None = None) -> Registry:
    """Finds all plugins and reads their manifests.

    :raises ManifestError: a registry file itself cannot be read; a broken manifest is a record with an error instead.
    :raises VlmplugError: with ``strict``, the first broken plugin or name with two owners.
    """
    sources = sources or default_sources()
    registry = _assembled(_read(statement) for statement in discover(sources).values())
    if sources.strict:
        registry.raise_problems()
    return registry


def _read(statement: Statement) -> tuple[PluginRecord, Manifest | None]:
    """The record of a plugin and its manifest; None where it is off, missing or broken."""
    file = statement.manifest.locate() if statement.manifest is not None else None
    record = PluginRecord(
        name=statement.name,
        layer=statement.layer,
        distribution=statement.distribution,
        version=statement.version,
        manifest=file,
        enabled=statement.enabled is not False,
        error=statement.error,
    )
    if not record.enabled or record.error is not None:
        return record, None
    if file is None:
        return replace(record, error=_not_installed(statement)), None
    try:
        manifest = read_manifest(file, statement.layer)
        _check_plugin(statement, file, manifest)
    except RegistryError as error:
        return replace(record, error=error), None
    return replace(record, hooks=manifest.hooks, api=manifest.api, wrappers=manifest.wrappers), manifest


def _not_installed(statement: Statement) -> RegistryError:
    if statement.manifest is None:
        return RegistryError(
            f"The registry files say nothing about where plugin {statement.name} is.",
            f"Add `package` or `manifest` to plugins: {statement.name}: in the registry file.",
        )
    package = statement.distribution or getattr(statement.manifest, "package", statement.name)
    return RegistryError(f"Plugin {statement.name} is not installed.", f"Run: pip install {package}")


def _check_plugin(statement: Statement, file: Path, manifest: Manifest) -> None:
    if manifest.plugin != statement.name:
        raise ManifestError(
            f"{file}: plugin.name is {manifest.plugin!r}, but it is registered as {statement.name!r}.",
            "Give both the same name.",
        )
    if manifest.api != HOOK_API:
        raise ManifestError(
            f"{file}: {manifest.plugin} is written for hook API {manifest.api}; this vlmplug has {HOOK_API}.",
            "Upgrade vlmplug." if manifest.api > HOOK_API else f"Upgrade {statement.distribution or manifest.plugin}.",
        )


def _assembled(found: Iterable[tuple[PluginRecord, Manifest | None]]) -> Registry:
    pairs = list(found)
    manifests = [manifest for _, manifest in pairs if manifest is not None]
    types = [entry for manifest in manifests for entry in manifest.model_types.values()]
    families = [entry for manifest in manifests for entry in manifest.families.values()]
    contested = {name: claims for name, claims in _claims(types, families).items() if len(claims) > 1}
    clear = [entry for entry in types if entry.name not in contested]
    return Registry(
        plugins={record.name: record for record, _ in pairs},
        families={entry.name: entry for entry in families if _family_key(entry.name) not in contested},
        model_types={entry.name: entry for entry in clear},
        aliases={alias: entry.name for entry in clear for alias in entry.aliases if alias not in contested},
        contested=contested,
    )


def _claims(types: Iterable[ModelType], families: Iterable[Family]) -> dict[str, tuple[Claim, ...]]:
    claims: dict[str, tuple[Claim, ...]] = {}
    for entry in types:
        for name in (entry.name, *entry.aliases):
            claims[name] = (*claims.get(name, ()), Claim(entry.plugin, entry.source))
    for family in families:
        key = _family_key(family.name)
        claims[key] = (*claims.get(key, ()), Claim(family.plugin, family.source))
    return claims


def _family_key(name: str) -> str:
    """Families have names of their own: a model type may be called like its family."""
    return f"family {name}"
