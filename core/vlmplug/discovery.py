"""What all sources together say: the built-in registry, installed packages, the user's file, files named by hand.

Each of these layers says something about plugins by name; a later layer wins over an earlier one. Nothing is imported:
a package is located through its import specification, and its manifest lies inside it as data.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, reduce
from pathlib import Path

from vlmplug.document_cache import DocumentCache
from vlmplug.errors import ManifestError, RegistryError
from vlmplug.installed import InstalledPlugin, installed_plugins
from vlmplug.light_dataclass import dataclass, field
from vlmplug.nearest import did_you_mean
from vlmplug.registry_file import ALLOWED, BLOCKED, PluginList, RegistryFile, read_registry_file
from vlmplug.statement import PackageManifest, Statement, same_distribution
from vlmplug.user_folder import cache_folder_if_any


@dataclass(frozen=True)
class RegistrySources:
    """Where plugins are looked for, from the weakest to the strongest layer.

    - ``built_in``: the registry that ships with vlmplug. ``installed``: whether to ask installed packages.
    - ``user``: the user's own registry file; it need not exist. ``files``: further ones, which must exist.
    - ``strict``: a broken plugin, a name with two owners or a broken file of the user is an error, not a note.
    - ``allowed``, ``blocked``: plugins or distributions, stronger than the lists of all files; None: the files decide.
    - ``cache``: folder where parsed files are kept, which changes nothing but the time it takes; None: nowhere.
    """

    built_in: Path | None
    installed: bool = True
    user: Path | None = None
    files: tuple[Path, ...] = ()
    strict: bool = False
    allowed: tuple[str, ...] | None = None
    blocked: tuple[str, ...] | None = None
    cache: Path | None = None

    @cached_property
    def documents(self) -> DocumentCache | None:
        """What was parsed before, in ``cache``."""
        return DocumentCache(self.cache) if self.cache is not None else None


@dataclass(frozen=True)
class Discovery:
    """What all layers together say.

    - ``plugins``: by name. ``files``: everything else that the registry files say.
    - ``problems``: what is wrong with the user's file and with the lists; everything else keeps working.
    """

    plugins: Mapping[str, Statement]
    files: RegistryFile = field(default_factory=RegistryFile)
    problems: tuple[RegistryError, ...] = ()

    def blocked(self, statement: Statement) -> str | None:
        """Which list keeps a plugin out, in words; None: it may run."""
        lists = self.files.lists
        if BLOCKED in lists and _is_listed(statement, lists[BLOCKED]):
            return f"listed in {BLOCKED} of {lists[BLOCKED]}"
        if ALLOWED in lists and not _is_listed(statement, lists[ALLOWED]):
            return f"not listed in {ALLOWED} of {lists[ALLOWED]}"
        return None


def default_sources(files: Iterable[Path] = (), strict: bool = False) -> RegistrySources:
    """Everything that a user expects: built-in, installed, the user's file, and ``files``."""
    caches = cache_folder_if_any()
    cache = caches / "documents" if caches is not None else None
    return RegistrySources(built_in_file(), True, user_file(), tuple(files), strict, cache=cache)


def built_in_file() -> Path:
    """The registry that ships inside the package, or stands at the top of a checkout."""
    package = Path(__file__).resolve().parent
    shipped = package / "registry.yaml"
    return shipped if shipped.is_file() else package.parent.parent / "registry.yaml"


def user_file() -> Path:
    """Where the user's own registry file is looked for: the platform's configuration folder."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or os.path.expanduser("~/AppData/Roaming"))
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"))
    return base / "vlmplug" / "registry.yaml"


def discover(sources: RegistrySources) -> Discovery:
    """What all layers together say.

    :raises ManifestError: the built-in registry or a file named by hand cannot be read or breaks its schema; the same
        of the user's file is a problem in the result, and nothing that it says counts.
    """
    problems: list[RegistryError] = []
    cache = sources.documents
    built_in = [] if sources.built_in is None else [read_registry_file(sources.built_in, "built-in", cache)]
    named_files = [read_registry_file(file, "option", cache) for file in sources.files]
    chosen = [*_users_file(sources, problems), *named_files]
    layers = [statement for file in built_in for statement in file.plugins]
    if sources.installed:
        layers += map(_installed, installed_plugins())
    named = [statement for file in chosen for statement in file.plugins]
    plugins = _together([*_of_choice(layers, chosen), *named])
    files = reduce(RegistryFile.overridden_by, [*built_in, *chosen, RegistryFile(lists=_lists(sources))])
    problems += [error for key in files.lists for error in _unknown(plugins, key, files.lists[key])]
    return Discovery(plugins, files, tuple(problems))


def _installed(point: InstalledPlugin) -> Statement:
    manifest = PackageManifest(point.package)
    return Statement(point.name, "installed", point.distribution, point.version, manifest)


def _users_file(sources: RegistrySources, problems: list[RegistryError]) -> list[RegistryFile]:
    file = sources.user
    if file is None or not os.path.lexists(file):
        return []
    try:
        return [read_registry_file(file, "user", sources.documents)]
    except ManifestError as error:
        problems.append(error)
        return []


def _lists(sources: RegistrySources) -> dict[str, PluginList]:
    given = {ALLOWED: sources.allowed, BLOCKED: sources.blocked}
    return {key: PluginList(names) for key, names in given.items() if names is not None}


def _unknown(plugins: Mapping[str, Statement], key: str, listed: PluginList) -> Iterator[RegistryError]:
    for name in listed.names:
        if not any(_is_listed(statement, PluginList((name,))) for statement in plugins.values()):
            yield RegistryError(f"{listed}: {key}: there is no plugin {name!r}.", did_you_mean(name, plugins))


def _is_listed(statement: Statement, listed: PluginList) -> bool:
    own = statement.distribution
    return any(name == statement.name or (own is not None and same_distribution(own, name)) for name in listed.names)


def _of_choice(statements: list[Statement], chosen: Iterable[RegistryFile]) -> list[Statement]:
    """Without those of packages that a registry file rules out by naming another one."""
    choice = {part.name: part.distribution for file in chosen for part in file.plugins if part.distribution}
    return [s for s in statements if s.name not in choice or _is_choice(s, choice[s.name])]


def _is_choice(statement: Statement, distribution: str) -> bool:
    return statement.distribution is None or same_distribution(statement.distribution, distribution)


def _together(statements: list[Statement]) -> dict[str, Statement]:
    by_name: dict[str, list[Statement]] = {}
    for statement in statements:
        by_name.setdefault(statement.name, []).append(statement)
    return {name: reduce(Statement.overridden_by, layers) for name, layers in by_name.items()}
