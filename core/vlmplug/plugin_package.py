"""Which package somebody means who wants a plugin: its name, a requirement, a file or a folder."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from vlmplug.errors import InstallError
from vlmplug.registry import PluginRecord, Registry

_ARCHIVES = (".whl", ".tar.gz", ".zip")
_PROJECTS = ("pyproject.toml", "setup.py")
_SCHEMES = ("https", "file", "git+https", "git+ssh", "git+file")


def package_to_install(registry: Registry, wanted: str) -> str:
    """What to tell pip: a requirement (PEP 508), an address, or an absolute path.

    :param wanted: the name of a plugin that the registry knows, with versions or extras behind it if need be
        (``internvl2>=0.2``), or what pip itself takes: a requirement, a wheel, a project's folder, an address.
    :raises InstallError: it is none of these.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    _check_argument(wanted)
    if urlsplit(wanted).scheme in _SCHEMES:
        return wanted
    if _looks_like_path(wanted):
        return _local_path(wanted)
    try:
        requirement = Requirement(wanted)
    except InvalidRequirement as error:
        raise InstallError(
            f"{wanted!r} is neither a package nor a file: {str(error).splitlines()[0]}.",
            "Give the name of a plugin or a package, the path of a wheel, or the folder of a project.",
        ) from error
    record = registry.plugins.get(requirement.name.lower())
    if record is not None:
        requirement.name = _distribution(record)
    return str(requirement)


def package_to_uninstall(registry: Registry, wanted: str) -> str:
    """The distribution of an installed plugin.

    :param wanted: the name of the plugin, or of its distribution.
    :raises InstallError: no plugin came with such a distribution.
    """
    from vlmplug.nearest import did_you_mean
    from vlmplug.statement import same_distribution

    _check_argument(wanted)
    installed = {name: record for name, record in registry.plugins.items() if record.version and record.distribution}
    for name, record in installed.items():
        if record.distribution and (wanted == name or same_distribution(wanted, record.distribution)):
            return record.distribution
    if wanted in registry.plugins:
        raise InstallError(
            f"Plugin {wanted} is not an installed package.",
            f"Nothing is to be done, or turn it off: `enabled: false` below plugins: {wanted}: in a registry file.",
        )
    raise InstallError(f"No installed plugin is called {wanted!r}.", did_you_mean(wanted, installed))


def is_known(registry: Registry, wanted: str) -> bool:
    """Whether the registry knows a plugin or a distribution of that name."""
    from packaging.requirements import InvalidRequirement, Requirement

    from vlmplug.statement import same_distribution

    try:
        name = Requirement(wanted).name
    except InvalidRequirement:
        return True  # a path or an address, which nobody mistypes into another package
    distributions = [record.distribution for record in registry.plugins.values() if record.distribution]
    return name.lower() in registry.plugins or any(same_distribution(name, known) for known in distributions)


def _check_argument(wanted: str) -> None:
    if not wanted.strip() or wanted.lstrip().startswith("-") or "\0" in wanted:
        raise InstallError(f"{wanted!r} is not a plugin.", "Options of pip are not passed on; run pip itself for them.")


def _looks_like_path(wanted: str) -> bool:
    """As pip sees it: a bare name is one on an index, whatever lies in the current folder."""
    if "://" in wanted:
        return False
    return wanted.endswith(_ARCHIVES) or wanted.startswith((".", "~")) or any(part in wanted for part in "/\\")


def _local_path(wanted: str) -> str:
    path = Path(wanted).expanduser()
    is_archive = path.is_file() and path.name.endswith(_ARCHIVES)
    if is_archive or any((path / name).is_file() for name in _PROJECTS):
        return str(path.resolve())
    if path.is_dir():
        raise InstallError(f"{wanted} holds no {' and no '.join(_PROJECTS)}.", "Name the folder of a project.")
    raise InstallError(f"{wanted} is no wheel, no archive and no folder of a project.", "Check the path.")


def _distribution(record: PluginRecord) -> str:
    if record.distribution is None:
        raise InstallError(
            f"Plugin {record.name} comes from a registry file, which names no package to install.",
            "Add `distribution` below its name there.",
        )
    return record.distribution
