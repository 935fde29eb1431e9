"""What is verified as a matrix of families, model types and checks; the same in the terminal and in the docs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vlmplug.verification import CHECKS, Outcome, State, Verification, read_verification

if TYPE_CHECKING:
    from vlmplug.model_type import ModelType
    from vlmplug.registry import Registry

#: What a cell says.
SYMBOLS: Mapping[State, str] = {"verified": "✓", "failed": "✗", "outdated": "old", "not run": "–"}


class VerificationMatrix:
    """The recorded runs of all plugins of a registry, read when it is made."""

    def __init__(self, registry: Registry) -> None:
        self.plugins = {plugin.name: read_verification(plugin) for plugin in registry.plugins.values()}
        self._families = {name: self.plugins[family.plugin] for name, family in registry.families.items()}

    def of(self, entry: ModelType) -> Mapping[str, Outcome]:
        """The outcome of each check for a model type; nothing was run for one whose family has no working plugin."""
        return self._of(entry).of(entry)

    def verified(self, entry: ModelType) -> bool:
        """As `Verification.verified`."""
        return self._of(entry).verified(entry)

    def family_states(self, family: str) -> list[State]:
        """A row: the state of each check, over all that ran of a family."""
        outcomes = self._families[family].of_family(family)
        return [outcomes[check].state for check in CHECKS]

    def type_states(self, entry: ModelType) -> list[State]:
        """A row: the state of each check for a model type; what only other builds of its family show is not run."""
        outcomes = self.of(entry)
        return ["not run" if outcomes[check].scope == "family" else outcomes[check].state for check in CHECKS]

    def verified_by(self, entry: ModelType) -> list[str]:
        """The model types whose checkpoints stand behind its row."""
        near = [outcome for outcome in self.of(entry).values() if outcome.records and outcome.scope != "family"]
        return sorted({name for outcome in near for name in outcome.by})

    def _of(self, entry: ModelType) -> Verification:
        return self._families.get(entry.family, Verification())
