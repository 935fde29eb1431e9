"""A ``registry.yaml``: which plugins there are and which of them count, and single values of model types.

::

    registry: 1                        # version of this format
    default_model_type: internvl2-2b   # what commands take when none is given
    plugins: {NAME: {distribution, package, manifest, enabled}}
    plugins_allowed: [internvl2]       # these plugins or distributions, and no others
    plugins_blocked: [vlmplug-other]   # never these
    owners:                            # whose a name is that several plugins claim
      model_types: {NAME: PLUGIN}
      families: {NAME: PLUGIN}
    model_types: {NAME: {aliases, checkpoint, context_length, hub, limits}}

The same format, for editors: ``schemas/registry.schema.json``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vlmplug.document import Value, read_document
from vlmplug.light_dataclass import dataclass, field
from vlmplug.manifest_fields import distribution, named, named_entries, shortened
from vlmplug.model_type import Layer, Setting, Source
from vlmplug.override import Override, read_override
from vlmplug.statement import MANIFEST, FileManifest, PackageManifest, Statement

if TYPE_CHECKING:
    from vlmplug.document_cache import DocumentCache

FORMAT = 1
ALLOWED, BLOCKED = "plugins_allowed", "plugins_blocked"
#: Required keys and others.
REGISTRY_KEYS = (("registry",), ("default_model_type", "plugins", ALLOWED, BLOCKED, "owners", "model_types"))
PLUGIN_KEYS = ((), ("distribution", "package", "manifest", "enabled"))
OWNERS_KEYS = ((), ("model_types", "families"))

_PACKAGE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


@dataclass(frozen=True)
class PluginList:
    """Plugins by name or distribution; ``source`` None: the caller's own list."""

    names: tuple[str, ...]
    source: Source | None = None

    def __str__(self) -> str:
        return str(self.source) if self.source is not None else "the caller"


@dataclass(frozen=True)
class RegistryFile:
    """What one registry file says, or several together.

    - ``lists``: `ALLOWED` and `BLOCKED`, where they are given.
    - ``owners``: by name of a model type or alias, and by `family_key`: the plugin whose it is.
    """

    plugins: tuple[Statement, ...] = ()
    default_model_type: Setting | None = None
    lists: Mapping[str, PluginList] = field(default_factory=dict)
    owners: Mapping[str, Setting] = field(default_factory=dict)
    overrides: Mapping[str, Override] = field(default_factory=dict)

    def overridden_by(self, later: RegistryFile) -> RegistryFile:
        """Both together; ``later`` wins value by value, and list by list."""
        both = [name for name in later.overrides if name in self.overrides]
        return RegistryFile(
            plugins=(*self.plugins, *later.plugins),
            default_model_type=later.default_model_type or self.default_model_type,
            lists={**self.lists, **later.lists},
            owners={**self.owners, **later.owners},
            overrides={
                **self.overrides,
                **later.overrides,
                **{name: self.overrides[name].overridden_by(later.overrides[name]) for name in both},
            },
        )


def family_key(name: str) -> str:
    """Families have names of their own: a model type may be called like its family."""
    return f"family {name}"


def read_registry_file(file: Path, layer: Layer, cache: DocumentCache | None = None) -> RegistryFile:
    """Reads and checks a registry file; ``cache`` is that of `document.read_document`.

    :raises ManifestError: it cannot be read or breaks its schema; with line and key.
    """
    fields = read_document(file, cache).fields(*REGISTRY_KEYS)
    fields["registry"].integer(FORMAT, FORMAT)
    return RegistryFile(
        plugins=tuple(_statement(name, part, layer) for name, part in named_entries(fields.get("plugins")).items()),
        default_model_type=_setting(fields["default_model_type"], layer) if "default_model_type" in fields else None,
        lists={key: _list(fields[key], layer) for key in (ALLOWED, BLOCKED) if key in fields},
        owners=_owners(fields["owners"], layer) if "owners" in fields else {},
        overrides={
            name: read_override(name, part, layer) for name, part in named_entries(fields.get("model_types")).items()
        },
    )


def _statement(name: str, value: Value, layer: Layer) -> Statement:
    fields = value.fields(*PLUGIN_KEYS)
    return Statement(
        name=name,
        layer=layer,
        distribution=distribution(fields["distribution"].text(), fields["distribution"])
        if "distribution" in fields
        else None,
        manifest=_manifest(fields, value.file.parent),
        enabled=fields["enabled"].flag() if "enabled" in fields else None,
        source=_source(value, layer),
    )


def _manifest(fields: Mapping[str, Value], folder: Path) -> PackageManifest | FileManifest | None:
    file = fields["manifest"].text() if "manifest" in fields else None
    if "package" in fields:
        return PackageManifest(_package(fields["package"]), file or MANIFEST)
    return FileManifest(folder / os.path.expanduser(file)) if file else None


def _package(value: Value) -> str:
    name = value.text()
    if not _PACKAGE.fullmatch(name):
        raise value.error(f"{shortened(name)} is no package.", "Write the name that Python imports, as in my_package.")
    return name


def _list(value: Value, layer: Layer) -> PluginList:
    return PluginList(tuple(distribution(part.text(), part) for part in value.values()), _source(value, layer))


def _owners(value: Value, layer: Layer) -> dict[str, Setting]:
    fields = value.fields(*OWNERS_KEYS)
    types, families = named_entries(fields.get("model_types")), named_entries(fields.get("families"))
    keyed = {**types, **{family_key(name): part for name, part in families.items()}}
    return {name: _setting(part, layer) for name, part in keyed.items()}


def _setting(value: Value, layer: Layer) -> Setting:
    return Setting(named(value), _source(value, layer))


def _source(value: Value, layer: Layer) -> Source:
    return Source(layer, value.file, value.line)
