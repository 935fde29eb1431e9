"""``get_lmdeploy_engine``: a loaded model, with the attributes that scripts read and set."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from vlmplug.checked_type import check_type
from vlmplug.checkpoint import open_source
from vlmplug.compat.swift.catalogue import CATALOGUE, RegisteredModel
from vlmplug.compat.swift.engine_kwargs import SwiftEngineSettings
from vlmplug.compat.swift.environment import media_options_of, media_policy_of
from vlmplug.compat.swift.generation_config import generation_config_of
from vlmplug.compat.swift.limit import LimitedPreparer
from vlmplug.compat.swift.refusal import refuse_unknown
from vlmplug.compat.swift.tokenizer import HfTokenizer
from vlmplug.config_json import read_config
from vlmplug.engine.options import EngineOptions
from vlmplug.errors import OptionError
from vlmplug.host import PluginHost
from vlmplug.hub.options import HubOptions
from vlmplug.hub_reference import HubReference, parse_reference
from vlmplug.light_dataclass import replace as changed
from vlmplug.loaded_model import LoadedModel
from vlmplug.model_type import Hub, ModelType
from vlmplug.pipeline import Pipeline
from vlmplug.registry import Registry


class ModelConfig(Mapping[str, Any]):
    """A checkpoint's ``config.json``, its keys as attributes too; sections are of this type themselves."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = dict(content)

    def __getitem__(self, key: str) -> Any:
        value = self._content[key]
        return ModelConfig(value) if isinstance(value, dict) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._content:
            raise AttributeError(f"config.json has no {name!r}.")
        return self[name]

    def to_dict(self) -> dict[str, Any]:
        """All of it, as it was read."""
        return dict(self._content)


class LmdeployEngine:
    """A model, ready to answer; a ``with`` block closes it.

    - ``model``: the same model as `vlmplug.load` gives it, for everything else.
    - ``model_type``, ``model_dir``, ``is_multimodal``, ``hf_tokenizer``, ``model_config``.
    - ``max_model_len``: tokens that prompt and answer may take together, as the checkpoint says.
    - ``generation_config``: how to generate where a call brings none; may be changed or replaced.
    - ``media_options``: the family's media options for all requests; may be changed or replaced.
    """

    def __init__(self, preparer: LimitedPreparer, options: EngineOptions, is_multimodal: bool) -> None:
        family = preparer.model
        self.model_type = family.model_type
        self.model_dir = str(family.folder)
        self.is_multimodal = is_multimodal
        self.hf_tokenizer = HfTokenizer(preparer, is_multimodal)
        self.model_config = ModelConfig(read_config(family.folder))
        self.max_model_len = family.context_length
        self.generation_config = generation_config_of(family.folder)
        self.media_options: dict[str, Any] = media_options_of(os.environ, preparer.media_options)
        self.model = LoadedModel(Pipeline(preparer, options))  # last: whatever fails leaves no engine behind

    def close(self) -> None:
        """Stops the engine and frees its memory; repeating it is harmless."""
        self.model.close()

    def __enter__(self) -> LmdeployEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def get_lmdeploy_engine(
    model_type: str,
    *,
    model_id_or_path: str | None = None,
    revision: str | None = None,
    tp: int = 1,
    cache_max_entry_count: float = 0.8,
    quant_policy: int = 0,
    vision_batch_size: int = 1,
    engine_kwargs: dict[str, Any] | None = None,
    **kwargs: Any,
) -> LmdeployEngine:
    """A model on lmdeploy's engine: on a GPU if there is one, else on the CPU.

    :param model_type: see `ModelType`.
    :param model_id_or_path: its checkpoint: a folder, or a hub's repository; None: the official one.
    :param revision: branch, tag or commit of the repository.
    :param tp: GPUs (or worker processes on the CPU) that share the language model.
    :param cache_max_entry_count: share of the free memory for the KV cache, or the number of its blocks.
    :param quant_policy: 0, 4 or 8: bits of the KV cache.
    :param vision_batch_size: without effect: pictures go through the tower together in any case.
    :param engine_kwargs: lmdeploy's engine settings; not changed.
    :param kwargs: ``model_dir``: the same as a folder as ``model_id_or_path``.
    :raises RegistryError: no such model type, or no plugin that runs it. :raises CheckpointError: a folder that does
        not fit it. :raises HubError: it cannot be downloaded. :raises OptionError: a setting that cannot be had.
    :raises EngineError: the engine cannot be started.
    """
    refuse_unknown("get_lmdeploy_engine", kwargs, ("model_dir",))
    check_type("model_type", model_type, str, "Give one of ModelType.")
    settings = SwiftEngineSettings(tp, cache_max_entry_count, quant_policy, vision_batch_size, engine_kwargs or {})
    registered = CATALOGUE.models.get(model_type, RegisteredModel({}))
    options = settings.options(registered.dtype)
    place = _placed(CATALOGUE.registry(), model_type, kwargs.get("model_dir") or model_id_or_path, revision)
    host = PluginHost(place.registry)
    source = open_source(place.registry, place.entry.name, place.folder, place.hub)
    preparer = LimitedPreparer(host, host.load_model(source), media_policy_of(os.environ))
    is_multimodal = set(place.entry.modalities) != {"text"}
    engine = LmdeployEngine(preparer, options, is_multimodal)
    if registered.stop is not None:
        engine.generation_config.stop_words = [registered.stop]
    return engine


@dataclass(frozen=True)
class _Place:
    """Where a checkpoint comes from: a folder, or the hubs that the entry in the registry names."""

    registry: Registry
    entry: ModelType
    folder: Path | None
    hub: HubOptions


def _placed(registry: Registry, model_type: str, given: str | os.PathLike[str] | None, revision: str | None) -> _Place:
    entry = registry.model_type(model_type)
    hub = HubOptions(revision=revision)
    if given is None:
        return _Place(registry, entry, None, hub)
    if Path(given).expanduser().exists():
        return _Place(registry, entry, Path(given).expanduser(), hub)
    reference = parse_reference(str(given)) if isinstance(given, str) else None
    if reference is None:
        raise OptionError(f"model_id_or_path is {given!r}: no folder, and no hub's repository.", "Check the path.")
    hub = replace(hub, hub=reference.hub or hub.hub, revision=revision or reference.revision)
    moved = _moved(entry, reference)
    return _Place(changed(registry, model_types={**registry.model_types, entry.name: moved}), moved, None, hub)


def _moved(entry: ModelType, reference: HubReference) -> ModelType:
    """A model type whose checkpoint is in the repository that was named, on whichever hub has it."""
    repository = reference.repository
    official = [name.lower() for name in (entry.hub.huggingface, entry.hub.modelscope) if name]
    hub = entry.hub if repository.lower() in official else Hub(huggingface=repository, modelscope=repository)
    return changed(entry, checkpoint=None, hub=hub)
