"""One plugin as the registry has it: its manifest, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vlmplug.errors import DuplicateNameError, ManifestError, RegistryError, VlmplugError
from vlmplug.hook_api import HOOK_API, api_range, runs_api
from vlmplug.light_dataclass import dataclass, field, replace
from vlmplug.manifest import Manifest, read_manifest
from vlmplug.model_type import Layer, Source
from vlmplug.statement import Statement

if TYPE_CHECKING:
    from vlmplug.document_cache import DocumentCache

Status = Literal["ready", "off", "blocked", "missing", "broken"]


@dataclass(frozen=True)
class PluginRecord:
    """One plugin, whether it works or not.

    - ``layer``: the strongest layer that says something about it.
    - ``manifest``: its file; None where the package is not installed. ``hooks``: import path; None: no code.
    - ``error``: why it cannot be used; everything else keeps working.
    - ``wrappers``: some of its hooks go around those of other plugins. ``wrappers_required``: no hook is called
      without them.
    - ``requires``: distributions and their versions (PEP 440) that all of it needs.
    - ``blocked``: which list of allowed or blocked plugins keeps it out, in words; None: none does.
    - ``source``: where the strongest registry file names it; None: only its package's entry point does.
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
    requires: Mapping[str, str] = field(default_factory=dict)
    blocked: str | None = None
    source: Source | None = None
    wrappers_required: bool = False

    @property
    def status(self) -> Status:
        """``ready``, ``blocked``, ``off`` (disabled), ``missing`` (not installed) or ``broken`` (see ``error``)."""
        if self.blocked is not None:
            return "blocked"
        if not self.enabled:
            return "off"
        if self.error is None:
            return "ready"
        return "missing" if self.manifest is None and not isinstance(self.error, DuplicateNameError) else "broken"

    @property
    def remedy(self) -> str:
        """What makes it work, one sentence; empty where it does."""
        if self.blocked is not None:
            return f"Plugin {self.name} is {self.blocked}: change that list."
        if not self.enabled:
            return f"Plugin {self.name} is off: `vlmplug plugins enable {self.name}`, or change {self.source}."
        return "" if self.error is None else f"{self.error.problem} {self.error.remedy}".rstrip()


def read_plugin(
    statement: Statement, blocked: str | None, cache: DocumentCache | None = None
) -> tuple[PluginRecord, Manifest | None]:
    """The record of a plugin and its manifest; None where it is off, blocked, missing or broken."""
    file = statement.manifest.locate() if statement.manifest is not None else None
    record = PluginRecord(
        name=statement.name,
        layer=statement.layer,
        distribution=statement.distribution,
        version=statement.version,
        manifest=file,
        enabled=statement.enabled is not False,
        error=statement.error,
        blocked=blocked,
        source=statement.source,
    )
    if record.status in ("off", "blocked") or record.error is not None:
        return record, None
    if file is None:
        return replace(record, error=_not_installed(statement)), None
    try:
        manifest = read_manifest(file, statement.layer, cache)
    except RegistryError as error:
        return replace(record, error=error), None
    known = replace(
        record,
        hooks=manifest.hooks,
        api=manifest.api,
        wrappers=manifest.wrappers,
        wrappers_required=manifest.wrappers_required,
        requires=manifest.requires,
    )
    try:
        _check_plugin(statement, file, manifest)
    except RegistryError as error:
        return replace(known, error=error), None
    return known, manifest


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
    if not runs_api(manifest.api):
        raise ManifestError(
            f"{file}: {manifest.plugin} is written for hook API {manifest.api}; this vlmplug has {api_range()}.",
            "Upgrade vlmplug." if manifest.api > HOOK_API else f"Upgrade {statement.distribution or manifest.plugin}.",
        )
