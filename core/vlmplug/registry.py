"""The registry: plugins, families and model types, found and read without importing any of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from vlmplug.claims import Claim, collect_claims, duplicate
from vlmplug.discovery import Discovery, RegistrySources, default_sources, discover
from vlmplug.document_cache import DocumentCache
from vlmplug.errors import NoPluginError, RegistryError, UnknownModelTypeError
from vlmplug.light_dataclass import dataclass, field, replace
from vlmplug.manifest import Manifest
from vlmplug.model_type import Family, KnownType, ModelType, Setting, Source
from vlmplug.nearest import did_you_mean, nearest
from vlmplug.override import Override
from vlmplug.plugin_record import PluginRecord, Status, read_plugin
from vlmplug.registry_file import family_key
from vlmplug.requires import merged

__all__ = ["Claim", "PluginRecord", "Registry", "Status", "load_registry"]


@dataclass(frozen=True)
class Registry:
    """Everything that can be named.

    - ``plugins``: all that were found, by name.
    - ``families``, ``model_types``: what the working ones declare; names with two owners are left out.
    - ``aliases``: other names of model types.
    - ``contested``: names with two owners, with all who claim them.
    - ``default_model_type``: what commands take when none is given, and who says so; None: nobody does.
    - ``overrides``: single values of model types that registry files changed; they are part of ``model_types``.
    - ``problems``: what is wrong with registry files; everything else keeps working.
    - ``documents``: manifests that were parsed, for what is read again.
    """

    plugins: Mapping[str, PluginRecord]
    families: Mapping[str, Family] = field(default_factory=dict)
    model_types: Mapping[str, ModelType] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    contested: Mapping[str, tuple[Claim, ...]] = field(default_factory=dict)
    default_model_type: Setting | None = None
    overrides: Mapping[str, Override] = field(default_factory=dict)
    problems: tuple[RegistryError, ...] = ()
    documents: DocumentCache | None = None

    @cached_property
    def known(self) -> Mapping[str, KnownType]:
        """Model types that no working plugin carries: those of ms-swift 2.x, and those of vlmplug's own plugins."""
        from vlmplug.known_types import read_known_types  # only an unknown name needs it, and listing has to be fast

        carried = {*self.model_types, *self.aliases, *self.contested}
        return {name: self._pointed(entry) for name, entry in read_known_types().items() if name not in carried}

    def model_type(self, name: str) -> ModelType:
        """The model type of that name or alias.

        :raises NoPluginError: it is known, but no working plugin carries it; with what to do instead.
        :raises UnknownModelTypeError: with the nearest names.
        :raises DuplicateNameError: two plugins claim it; naming both.
        """
        if name in self.contested:
            raise duplicate(name, self.contested[name])
        found = self.model_types.get(self.aliases.get(name, name))
        if found is not None:
            return found
        if (known := self.known.get(name)) is not None:
            problem = f"Model type {name} ({known.title}) is known, but no plugin here runs it."
            raise NoPluginError(problem, known.pointer)
        raise UnknownModelTypeError(f"There is no model type {name!r}.{self._idle()}", self._nearest(name))

    def family(self, name: str) -> Family:
        """The family of that name.

        :raises DuplicateNameError: two plugins claim it. :raises RegistryError: no working plugin offers it.
        """
        if (claimed := family_key(name)) in self.contested:
            raise duplicate(claimed, self.contested[claimed])
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

    def value_sources(self, name: str) -> Mapping[str, Source]:
        """Where each value of a model type was declared, by dotted field (``hub.huggingface``); values that nobody
        declared have none. Reads the manifest again.

        :raises RegistryError: as `model_type` does.
        """
        from vlmplug.value_sources import declared_values  # only showing needs it

        entry = self.model_type(name)
        override = self.overrides.get(entry.name)
        return {**declared_values(entry, self.documents), **(override.sources if override is not None else {})}

    def overridden_context(self, name: str) -> int | None:
        """The context length that a registry file gives a model type; None: none does, and its checkpoint decides."""
        override = self.overrides.get(name)
        found: int | None = override.values.get("context_length") if override is not None else None
        return found

    def raise_problems(self) -> None:
        """For those who want no half-working registry.

        :raises VlmplugError: what is wrong with a registry file, else the first plugin that is broken, else the first
            name with two owners. A plugin that is off, blocked or not installed is no problem.
        """
        for problem in self.problems:
            raise problem
        for record in self.plugins.values():
            if record.status == "broken" and record.error is not None:
                raise record.error
        for name, claims in self.contested.items():
            raise duplicate(name, claims)

    def _nearest(self, name: str) -> str:
        """Those that run here first, then those that are only known."""
        here = [*self.model_types, *self.aliases]
        return did_you_mean(name, here if nearest(name, here) or not nearest(name, self.known) else self.known)

    def _pointed(self, known: KnownType) -> KnownType:
        """With what to do about its own plugin, where that is registered."""
        record = self.plugins.get(known.plugin or "")
        if record is None:
            return known
        return replace(known, pointer=record.remedy or f"Upgrade {record.distribution or record.name}.")

    def _idle(self) -> str:
        idle = [f"{record.name} ({record.status})" for record in self.plugins.values() if record.status != "ready"]
        return f" Plugins that do not answer: {', '.join(idle)}." if idle else ""


def load_registry(sources: RegistrySources | None = None) -> Registry:
    """Finds all plugins and reads their manifests.

    :raises ManifestError: the built-in registry or a file named by hand cannot be read; a broken manifest is a record
        with an error instead, and a broken file of the user is one of the registry's ``problems``.
    :raises VlmplugError: with ``strict``, the first problem, broken plugin or name with two owners.
    """
    sources = sources or default_sources()
    found = discover(sources)
    read = [read_plugin(part, found.blocked(part), sources.documents) for part in found.plugins.values()]
    registry = replace(_assembled(found, read), documents=sources.documents)
    if sources.strict:
        registry.raise_problems()
    return registry


def _assembled(found: Discovery, pairs: list[tuple[PluginRecord, Manifest | None]]) -> Registry:
    files = found.files
    manifests = {record.name: manifest for record, manifest in pairs if manifest is not None}
    declared = [entry for manifest in manifests.values() for entry in manifest.model_types.values()]
    types = [files.overrides[entry.name].apply(entry) if entry.name in files.overrides else entry for entry in declared]
    families = [entry for manifest in manifests.values() for entry in manifest.families.values()]
    claims = collect_claims(types, families, files.overrides, files.owners)
    own = {entry.name: entry for entry in families if claims.grants(family_key(entry.name), entry.plugin)}
    clear = [_requiring(entry, own, manifests) for entry in types if claims.grants(entry.name, entry.plugin)]
    registry = Registry(
        plugins={record.name: record for record, _ in pairs},
        families=own,
        model_types={entry.name: entry for entry in clear},
        aliases={alias: entry.name for entry in clear for alias in entry.aliases if claims.grants(alias, entry.plugin)},
        contested=claims.contested,
        default_model_type=files.default_model_type,
        overrides=files.overrides,
    )
    return replace(registry, problems=(*found.problems, *claims.problems, *_unknown(registry)))


def _requiring(entry: ModelType, families: Mapping[str, Family], manifests: Mapping[str, Manifest]) -> ModelType:
    """The model type with what its plugin, its family and its family's plugin require, too."""
    family = families.get(entry.family)
    plugins = dict.fromkeys((entry.plugin, family.plugin)) if family is not None else (entry.plugin,)
    levels = [*(manifests[name].requires for name in plugins), family.requires if family is not None else {}]
    return replace(entry, requires=merged(*levels, entry.requires))


def _unknown(registry: Registry) -> list[RegistryError]:
    """Names in registry files that are none, so that a misspelt one does not go unseen."""
    wanted = [(override.source, name, "model_types") for name, override in registry.overrides.items()]
    if (default := registry.default_model_type) is not None and default.source.layer != "built-in":
        wanted.append((default.source, default.value, "default_model_type"))
    return [
        RegistryError(f"{source}: {key}: there is no model type {name!r}.{registry._idle()}", registry._nearest(name))
        for source, name, key in wanted
        if not _is_name(registry, name)
    ]


def _is_name(registry: Registry, name: str) -> bool:
    """Whether a model type of that name is carried or known; the latter is looked up only if it has to be."""
    carried = name in registry.model_types or name in registry.aliases or name in registry.contested
    return carried or name in registry.known
