"""A plugin's ``manifest.yaml``: who it is, its families, its model types.

::

    manifest: 1                       # version of this format
    plugin:
      name: internvl2                 # the name of its entry point
      api: 1                          # version of the hooks it was written for
      hooks: vlmplug_internvl2.hooks  # module with its hooks; leave it out for a plugin without code
      wrappers: false                 # whether some of them go around other plugins' hooks
    families: {NAME: {title, architectures, media_options, config, official_settings}}
    blocks: {NAME: {…}}               # parts of config.json that several model types share
    model_types: {NAME: {family, template, modalities, parameters, context_length, licence, …}}

Reading imports nothing of the plugin. Errors name file, line, key and the nearest valid word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from vlmplug.document import Value, read_document
from vlmplug.media_option import MEDIA, OPTION_TYPES, MediaOption, Medium, OptionType
from vlmplug.model_type import (
    MODALITIES,
    Family,
    Hub,
    Layer,
    Licence,
    Limits,
    Modality,
    ModelType,
    Shape,
    Source,
)

FORMAT = 1

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*(:[A-Za-z_][A-Za-z0-9_]*)?")
_BLOCK = "blocks."
_HUGE = 10**15


@dataclass(frozen=True)
class Manifest:
    """What one manifest declares.

    - ``hooks``: module (``package.module``) or object (``package.module:name``) with the hooks; None: no code.
    - ``wrappers``: whether some hooks are wrappers, which go around every plugin's.
    """

    plugin: str
    api: int
    hooks: str | None
    wrappers: bool
    families: Mapping[str, Family]
    model_types: Mapping[str, ModelType]


def read_manifest(file: Path, layer: Layer) -> Manifest:
    """Reads and checks a manifest.

    :raises ManifestError: naming file, line and key of the first thing that is wrong.
    """
    fields = read_document(file).fields(("manifest", "plugin"), ("families", "blocks", "model_types"))
    fields["manifest"].integer(FORMAT, FORMAT)
    plugin = fields["plugin"].fields(("name", "api"), ("hooks", "wrappers"))
    reader = _Reader(named(plugin["name"]), layer, _blocks(fields.get("blocks")))
    return Manifest(
        plugin=reader.plugin,
        api=plugin["api"].integer(1, 1000),
        hooks=_module(plugin["hooks"]) if "hooks" in plugin else None,
        wrappers=plugin["wrappers"].flag() if "wrappers" in plugin else False,
        families={name: reader.family(name, value) for name, value in _named(fields.get("families")).items()},
        model_types={name: reader.model_type(name, value) for name, value in _named(fields.get("model_types")).items()},
    )


def named(value: Value) -> str:
    """A name of a plugin, family or model type.

    :raises ManifestError: it holds something else than lower-case letters, digits, dots, dashes and underscores.
    """
    name = value.text()
    _check_name(name, value)
    return name


@dataclass(frozen=True)
class _Reader:
    """Turns the values of one manifest into families and model types."""

    plugin: str
    layer: Layer
    blocks: Mapping[str, Shape]

    def family(self, name: str, value: Value) -> Family:
        fields = value.fields(("title", "architectures"), ("media_options", "config", "official_settings"))
        return Family(
            name=name,
            title=fields["title"].text(),
            plugin=self.plugin,
            architectures=fields["architectures"].texts(),
            source=self._source(value),
            media_options={key: _media_option(key, part) for key, part in _entries(fields, "media_options").items()},
            config=_data(fields, "config"),
            official_settings={key: _settings(part) for key, part in _entries(fields, "official_settings").items()},
        )

    def model_type(self, name: str, value: Value) -> ModelType:
        fields = value.fields(
            ("family", "template", "modalities", "parameters", "context_length", "licence"),
            ("hub", "limits", "aliases", "vision_tower", "language_model", "shape", "checkpoint"),
        )
        return ModelType(
            name=name,
            family=named(fields["family"]),
            plugin=self.plugin,
            template=fields["template"].text(),
            modalities=_modalities(fields["modalities"]),
            parameters=fields["parameters"].integer(1, _HUGE),
            context_length=fields["context_length"].integer(1, _HUGE),
            licence=_licence(fields["licence"]),
            source=self._source(value),
            hub=_hub(fields["hub"]) if "hub" in fields else Hub(),
            limits=_limits(fields["limits"]) if "limits" in fields else Limits(),
            aliases=tuple(named(alias) for alias in fields["aliases"].values()) if "aliases" in fields else (),
            vision_tower=_text(fields, "vision_tower"),
            language_model=_text(fields, "language_model"),
            shape=self._shape(fields["shape"]) if "shape" in fields else None,
            checkpoint=_folder(fields["checkpoint"]) if "checkpoint" in fields else None,
        )

    def _source(self, value: Value) -> Source:
        return Source(self.layer, value.file, value.line)

    def _shape(self, value: Value) -> Shape:
        parts = {key: self._part(part) for key, part in value.entries().items()}
        return Shape({key: part.config for key, part in parts.items()}, any(p.uncertain for p in parts.values()))

    def _part(self, value: Value) -> Shape:
        if not (isinstance(value.content, str) and value.content.startswith(_BLOCK)):
            return Shape(value.data())
        return self.blocks[value.word([_BLOCK + name for name in self.blocks]).removeprefix(_BLOCK)]


def _blocks(value: Value | None) -> dict[str, Shape]:
    return {} if value is None else {name: _block(part) for name, part in value.entries().items()}


def _block(value: Value) -> Shape:
    entries = dict(value.entries())
    uncertain = entries.pop("uncertain", None)
    config = {key: part.data() for key, part in entries.items()}
    return Shape(config, uncertain.flag() if uncertain is not None else False)


def _media_option(name: str, value: Value) -> MediaOption:
    fields = value.fields(("type", "help"), ("default", "default_from", "range", "words", "media"))
    low, high = _range(fields["range"]) if "range" in fields else (None, None)
    option = MediaOption(
        name=name,
        type=cast(OptionType, fields["type"].word(OPTION_TYPES)),
        default=fields["default"].data() if "default" in fields else None,
        help=fields["help"].text(),
        default_from=_text(fields, "default_from") or None,
        low=low,
        high=high,
        words=fields["words"].texts() if "words" in fields else (),
        media=tuple(cast(Medium, part.word(MEDIA)) for part in fields["media"].values())
        if "media" in fields
        else MEDIA,
    )
    if not option.accepts(option.default):
        raise fields["default"].error(f"{option.default!r} is not a valid default.", f"Give {option.expected}.")
    return option


def _range(value: Value) -> tuple[float | None, float | None]:
    ends = value.data()
    if not isinstance(ends, list) or len(ends) != 2 or not all(_is_end(end) for end in ends):
        raise value.error("expected two numbers, smallest and largest.", "Write [1, 40], or null for an open end.")
    return ends[0], ends[1]


def _is_end(end: Any) -> bool:
    return end is None or (isinstance(end, int | float) and not isinstance(end, bool))


def _settings(value: Value) -> dict[str, Any]:
    return {key: part.data() for key, part in value.entries().items()}


def _modalities(value: Value) -> tuple[Modality, ...]:
    return tuple(cast(Modality, part.word(MODALITIES)) for part in value.values())


def _licence(value: Value) -> Licence:
    fields = value.fields(("name",), ("note", "accept"))
    accept = fields["accept"].flag() if "accept" in fields else False
    return Licence(fields["name"].text(), _text(fields, "note"), accept)


def _hub(value: Value) -> Hub:
    fields = value.fields((), ("huggingface", "modelscope", "revision"))
    return Hub(**{name: part.text() for name, part in fields.items()})


def _limits(value: Value) -> Limits:
    fields = value.fields((), ("images", "videos", "frames"))
    return Limits(**{name: part.integer(0, _HUGE) for name, part in fields.items()})


def _folder(value: Value) -> Path:
    """A folder beside the manifest; it must not lead out of the plugin."""
    inner = Path(value.text())
    if inner.is_absolute() or ".." in inner.parts:
        raise value.error(f"{value.content!r} leads out of the plugin.", "Name a folder beside the manifest.")
    return value.file.parent / inner


def _module(value: Value) -> str:
    path = value.text()
    if not _MODULE.fullmatch(path):
        raise value.error(f"{path!r} is no import path.", "Write package.module or package.module:name.")
    return path


def _named(value: Value | None) -> dict[str, Value]:
    entries = {} if value is None else value.entries()
    for name, part in entries.items():
        _check_name(name, part)
    return entries


def _check_name(name: str, value: Value) -> None:
    if not _NAME.fullmatch(name):
        raise value.error(f"{name!r} is no name.", "Use lower-case letters, digits, dots, dashes and underscores.")


def _entries(fields: Mapping[str, Value], key: str) -> dict[str, Value]:
    return fields[key].entries() if key in fields else {}


def _data(fields: Mapping[str, Value], key: str) -> dict[str, Any]:
    return {name: value.data() for name, value in _entries(fields, key).items()}


def _text(fields: Mapping[str, Value], key: str) -> str:
    return fields[key].text() if key in fields else ""
