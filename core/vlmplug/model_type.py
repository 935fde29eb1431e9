"""Families and model types: what manifests declare, as data. Reading them imports no plugin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from vlmplug.light_dataclass import dataclass, field
from vlmplug.media_option import MediaOption

Modality = Literal["text", "image", "video"]
Layer = Literal["built-in", "installed", "user", "option"]

MODALITIES: tuple[Modality, ...] = get_args(Modality)
#: Patterns of the files that a checkpoint needs, where its family names none: configuration, tokenizer, weights.
CHECKPOINT_FILES = ("*.json", "*.safetensors", "*.model", "*.tiktoken", "merges.txt", "vocab.txt")


@dataclass(frozen=True)
class Source:
    """Where an entry was declared; ``layer`` is the rank of that place, ``line`` counts from 1."""

    layer: Layer
    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Setting:
    """One value and where it was declared."""

    value: str
    source: Source


@dataclass(frozen=True)
class Hub:
    """Repository ids of the official checkpoint on each hub; a revision that is None: the newest."""

    huggingface: str | None = None
    modelscope: str | None = None
    huggingface_revision: str | None = None
    modelscope_revision: str | None = None


@dataclass(frozen=True)
class Licence:
    """Licence of the weights; ``note``: what comes with it; ``accept``: it must be accepted before they are used;
    ``url``: its text."""

    name: str
    note: str = ""
    accept: bool = False
    url: str = ""


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
class Signs:
    """What tells a checkpoint of one family, or of one template, from others; keys are dotted ones of ``config.json``.

    - ``present``, ``absent``: keys that it has, and keys that it does not have. ``equal``: keys with their values.
    - ``text``: by name of a file beside ``config.json``, words in it; a file that is not there says nothing.
    """

    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    equal: Mapping[str, Any] = field(default_factory=dict)
    text: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """Model types that load, prompt and preprocess alike.

    - ``plugin``: owner, whose hooks answer for every model type of the family.
    - ``architectures``: what ``config.json`` of its checkpoints says under ``architectures``.
    - ``signs``: what its checkpoints have beyond the architecture; ``template_signs``: the same by template.
    - ``config``: keys that all its ``config.json`` share.
    - ``official_settings``: by name, dotted keys of ``config.json`` and values that turn a small reference checkpoint
      into one with the official preprocessing.
    - ``files``: glob patterns of the files that its checkpoints need, weights included.
    - ``requires``: distributions and their versions (PEP 440) that its code needs.
    """

    name: str
    title: str
    plugin: str
    architectures: tuple[str, ...]
    source: Source
    media_options: Mapping[str, MediaOption] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    official_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: tuple[str, ...] = CHECKPOINT_FILES
    requires: Mapping[str, str] = field(default_factory=dict)
    signs: Signs = field(default_factory=Signs)
    template_signs: Mapping[str, Signs] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelType:
    """One model, as callers name it.

    - ``plugin``: who declares it; its family's plugin runs it.
    - ``template``: prompt template, a word of its family.
    - ``parameters``: number of weights. ``context_length``: tokens of prompt and answer together.
    - ``vision_tower``, ``language_model``: their public names.
    - ``shape``: None where only the checkpoint knows.
    - ``checkpoint``: folder of a checkpoint that ships inside the plugin, or that a registry file names.
    - ``vision_parameters``: how many of ``parameters`` are in the vision tower and the projector, which every device
      holds whole; None: unknown.
    - ``language_architecture``: of the language model, where the numbers of its shape stand at the top of
      ``config.json``, under an architecture that is the whole model's; empty: ``config.json`` says it.
    - ``requires``: distributions and their versions (PEP 440); in a registry, those of its plugin, its family and the
      family's plugin, too.
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
    vision_parameters: int | None = None
    language_architecture: str = ""
    requires: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class KnownType:
    """A multimodal model type of ms-swift 2.x that no working plugin carries.

    - ``title``: its family, for people. ``hub``: where its checkpoint is.
    - ``plugin``: the plugin that would carry it, where the built-in registry names one.
    - ``pointer``: what to do instead, one or two sentences. ``source``: where its name comes from.
    """

    name: str
    title: str
    hub: Hub
    pointer: str
    source: str
    plugin: str | None = None
