"""Models as the flags of ``infer`` want them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vlmplug.checkpoint import open_source
from vlmplug.cli.flags import host_options_of, registry_of
from vlmplug.cli.hub_flags import hub_options_of
from vlmplug.cli.infer_flags import TRUNCATION_LEFT, engine_options_of, sampling_of, schema_of
from vlmplug.cli.model_choice import chosen_model
from vlmplug.compat.swift.limit import TruncatingPreparer
from vlmplug.host import PluginHost
from vlmplug.pipeline import Pipeline, Preparer

if TYPE_CHECKING:
    from vlmplug.sampling import Sampling


class FlagModels:
    """Satisfies `vlmplug.dialogue.session.Models`. Flags that make no sense are found before anything is loaded.

    :raises OptionError: such flags. :raises RegistryError: a registry file that cannot be read.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._schema = schema_of(arguments)
        sampling_of(arguments, None, self._schema)
        self._engine = engine_options_of(arguments)
        self._registry = registry_of(arguments)

    def prepare(self, name: str | None = None, folder: Path | None = None) -> Preparer:
        """Everything of a model up to the engine; None: the one that the flags name."""
        arguments = self._arguments
        if name is not None:
            other = {"model": name, "model_type": None, "model_dir": folder, "revision": None}
            arguments = argparse.Namespace(**{**vars(arguments), **other})
        chosen = chosen_model(arguments, self._registry)
        hub = hub_options_of(arguments, chosen.reference)
        plugins = PluginHost(self._registry, host_options_of(arguments))
        model = plugins.load_model(open_source(self._registry, chosen.model_type, chosen.folder, hub))
        if arguments.truncation_strategy == TRUNCATION_LEFT:
            return TruncatingPreparer(plugins, model, self._engine.session_length)
        return Preparer(plugins, model)

    def start(self, preparer: Preparer) -> Pipeline:
        """The engine, loaded."""
        return Pipeline(preparer, self._engine)

    def sampling(self, preparer: Preparer) -> Sampling:
        """What the flags say, and else the checkpoint."""
        return sampling_of(self._arguments, preparer.model.sampling, self._schema)
