"""Families and model types: what manifests declare, as data. Reading them imports no plugin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from vlmplug.media_option import MediaOption

Modality = Literal["text", "image", "video"]
Layer = Literal["built-in", "installed", "user", "option"]

MODALITIES: tuple[Modality, ...] = get_args(Modality)


@dataclass(frozen=True)
class Source:
    """Where an entry was declared; ``layer`` is the rank of that place, ``line`` counts from 1."""

    layer: Layer
    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Hub:
    """Repository ids of the official checkpoint; ``revision`` None: the newest."""

    huggingface: str | None = None
    modelscope: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class Licence:
    """Licence of the weights; ``note``: what comes with it; ``accept``: the hub asks for consent first."""

    name: str
    note: str = ""
    accept: bool = False


@dataclass(frozen=True)
class Limits:
    """Most pictures, clips and frames that one prompt may hold; None: only the context length limits them."""

    images: int | None = None
    videos: int | None = None
    frames: int | None = None


@dataclass(frozen=True)
class Shape:
    """The numbers of the official ``config.json`` that a family's common ``config`` leaves open.

    - ``config``: keys of ``config.json``, deep.
    - ``uncertain``: some of them come from the language model's public shape, not from a copy of the file itself.
    """

    config: Mapping[str, Any]
    uncertain: bool = False


@dataclass(frozen=True)
class Family:
    """Model types that load, prompt and preprocess alike.

    - ``plugin``: owner, whose hooks answer for every model type of the family.
    - ``architectures``: what ``config.json`` of its checkpoints says under ``architectures``.
    - ``config``: keys that all its ``config.json`` share.
    - ``official_settings``: by name, dotted keys of ``config.json`` and values that turn a small reference checkpoint
      into one with the official preprocessing.
    """

    name: str
    title: str
    plugin: str
    architectures: tuple[str, ...]
    source: Source
    media_options: Mapping[str, MediaOption] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    official_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelType:
    """One model, as callers name it.

    - ``plugin``: who declares it; its family's plugin runs it.
    - ``template``: prompt template, a word of its family.
    - ``parameters``: number of weights. ``context_length``: tokens of prompt and answer together.
    - ``vision_tower``, ``language_model``: their public names.
    - ``shape``: None where only the checkpoint knows.
    - ``checkpoint``: folder of a checkpoint that ships inside the plugin.
    """

    name: str
    family: str
    plugin: str
    template: str
    modalities: tuple[Modality, ...]
    parameters: int
    context_length: int
    licence: Licence
    source: Source
    hub: Hub = field(default_factory=Hub)
    limits: Limits = field(default_factory=Limits)
    aliases: tuple[str, ...] = ()
    vision_tower: str = ""
    language_model: str = ""
    shape: Shape | None = None
    checkpoint: Path | None = None
