"""Names that several plugins claim, and whose they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from vlmplug.errors import DuplicateNameError, RegistryError
from vlmplug.light_dataclass import dataclass
from vlmplug.model_type import Family, ModelType, Setting, Source
from vlmplug.override import Override
from vlmplug.registry_file import family_key

_FAMILY = family_key("")


@dataclass(frozen=True)
class Claim:
    """Somebody says that a name is theirs."""

    plugin: str
    source: Source


@dataclass(frozen=True)
class Claims:
    """Who claims which name; a family's name is its `family_key`.

    - ``owners``: whose a name is, as registry files choose.
    """

    claims: Mapping[str, tuple[Claim, ...]]
    owners: Mapping[str, Setting]

    @property
    def contested(self) -> dict[str, tuple[Claim, ...]]:
        """Names with two owners, between whom nobody has chosen."""
        several = {name: claims for name, claims in self.claims.items() if len(claims) > 1}
        return {name: claims for name, claims in several.items() if not self._is_chosen(name, claims)}

    @property
    def problems(self) -> tuple[RegistryError, ...]:
        """Choices of a plugin that does not claim the name."""
        return tuple(
            RegistryError(
                f"{setting.source}: {setting.value} does not declare {name}.",
                f"Choose {' or '.join(claim.plugin for claim in self.claims[name])}.",
            )
            for name, setting in self.owners.items()
            if name in self.claims and setting.value not in {claim.plugin for claim in self.claims[name]}
        )

    def grants(self, name: str, plugin: str) -> bool:
        """Whether a name is that plugin's."""
        claims = self.claims[name]
        return len(claims) == 1 or (self._is_chosen(name, claims) and self.owners[name].value == plugin)

    def _is_chosen(self, name: str, claims: Iterable[Claim]) -> bool:
        return name in self.owners and sum(claim.plugin == self.owners[name].value for claim in claims) == 1


def collect_claims(
    types: Iterable[ModelType],
    families: Iterable[Family],
    overrides: Mapping[str, Override],
    owners: Mapping[str, Setting],
) -> Claims:
    """Who claims the names of these model types (overrides applied), their aliases and these families."""
    claims: dict[str, tuple[Claim, ...]] = {}
    for name, claim in (*_types_claims(types, overrides), *_families_claims(families)):
        claims[name] = (*claims.get(name, ()), claim)
    return Claims(claims, owners)


def duplicate(name: str, claims: Iterable[Claim]) -> DuplicateNameError:
    """The error that names all who claim a name, and how to choose."""
    told = list(claims)
    plugins = sorted({claim.plugin for claim in told})
    return DuplicateNameError(
        f"{name!r} is claimed by {' and '.join(f'plugin {claim.plugin} ({claim.source})' for claim in told)}.",
        _choice(name, plugins) if len(plugins) > 1 else "Give one of the two another name.",
    )


def _types_claims(types: Iterable[ModelType], overrides: Mapping[str, Override]) -> Iterator[tuple[str, Claim]]:
    for entry in types:
        yield entry.name, Claim(entry.plugin, entry.source)
        override = overrides.get(entry.name)
        source = override.sources.get("aliases", entry.source) if override is not None else entry.source
        for alias in entry.aliases:
            yield alias, Claim(entry.plugin, source)


def _families_claims(families: Iterable[Family]) -> Iterator[tuple[str, Claim]]:
    for family in families:
        yield family_key(family.name), Claim(family.plugin, family.source)


def _choice(name: str, plugins: list[str]) -> str:
    section = "families" if name.startswith(_FAMILY) else "model_types"
    others = "".join(f" (or {other})" for other in plugins[1:])
    return (
        f"Choose in a registry file: owners: {{{section}: {{{name.removeprefix(_FAMILY)}: {plugins[0]}}}}}{others}; "
        f"or turn one off: plugins: {{{plugins[-1]}: {{enabled: false}}}}."
    )
