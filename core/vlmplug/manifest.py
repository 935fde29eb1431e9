"""A plugin's ``manifest.yaml``: who it is, its families, its model types.

::

    manifest: 1                       # version of this format
    plugin:
      name: internvl2                 # the name of its entry point
      api: 1                          # version of the hooks it was written for
      hooks: vlmplug_internvl2.hooks  # module with its hooks; leave it out for a plugin without code
      wrappers: false                 # whether some of them go around other plugins' hooks: true, false or required
      requires: {numpy: ">=1.26"}     # versions of libraries that its hooks need
    families: {NAME: {title, architectures, media_options, config, official_settings, files, requires,
                      signs, template_signs}}
    blocks: {NAME: {…}}               # parts of config.json that several model types share
    model_types: {NAME: {family, template, modalities, parameters, context_length, licence, …}}

Reading imports nothing of the plugin. Errors name file, line, key and the nearest valid word. The same format, for
editors: ``schemas/manifest.schema.json``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vlmplug.document import Value, read_document
from vlmplug.light_dataclass import dataclass, field
from vlmplug.manifest_fields import (
    HUGE,
    aliases,
    hub,
    inner_folder,
    licence,
    limits,
    media_option,
    named,
    named_entries,
    requires_of,
    shortened,
    text_of,
)
from vlmplug.model_type import (
    CHECKPOINT_FILES,
    MODALITIES,
    Family,
    Hub,
    Layer,
    Limits,
    Modality,
    ModelType,
    Shape,
    Signs,
    Source,
)
from vlmplug.signs import read_signs

if TYPE_CHECKING:
    from vlmplug.document_cache import DocumentCache

FORMAT = 1
#: Required keys and others.
MANIFEST_KEYS = (("manifest", "plugin"), ("families", "blocks", "model_types"))
PLUGIN_KEYS = (("name", "api"), ("hooks", "wrappers", "requires"))
FAMILY_KEYS = (
    ("title", "architectures"),
    ("media_options", "config", "official_settings", "files", "requires", "signs", "template_signs"),
)
MODEL_TYPE_KEYS = (
    ("family", "template", "modalities", "parameters", "context_length", "licence"),
    (
        "hub",
        "limits",
        "aliases",
        "vision_tower",
        "language_model",
        "shape",
        "checkpoint",
        "vision_parameters",
        "language_architecture",
        "requires",
    ),
)

_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*(:[A-Za-z_][A-Za-z0-9_]*)?")
_BLOCK = "blocks."
#: Beside true and false: what ``plugin.wrappers`` may say.
REQUIRED = "required"
#: What a manifest may not claim about itself.
_RECORDED = ("verified", "verification")


@dataclass(frozen=True)
class Manifest:
    """What one manifest declares.

    - ``hooks``: module (``package.module``) or object (``package.module:name``) with the hooks; None: no code.
    - ``wrappers``: whether some hooks are wrappers, which go around every plugin's.
    - ``wrappers_required``: no hook is called without them.
    - ``requires``: distributions and their versions (PEP 440) that all of it needs.
    """

    plugin: str
    api: int
    hooks: str | None
    wrappers: bool
    families: Mapping[str, Family]
    model_types: Mapping[str, ModelType]
    requires: Mapping[str, str] = field(default_factory=dict)
    wrappers_required: bool = False


def read_manifest(file: Path, layer: Layer, cache: DocumentCache | None = None) -> Manifest:
    """Reads and checks a manifest; ``cache`` is that of `document.read_document`.

    :raises ManifestError: naming file, line and key of the first thing that is wrong.
    """
    fields = _fields(read_document(file, cache), MANIFEST_KEYS)
    fields["manifest"].integer(FORMAT, FORMAT)
    plugin = _fields(fields["plugin"], PLUGIN_KEYS)
    reader = _Reader(named(plugin["name"]), layer, _blocks(fields.get("blocks")))
    types = named_entries(fields.get("model_types"))
    _check_aliases(types)
    return Manifest(
        plugin=reader.plugin,
        api=plugin["api"].integer(1, 1000),
        hooks=_module(plugin["hooks"]) if "hooks" in plugin else None,
        wrappers=_has_wrappers(plugin),
        families={name: reader.family(name, value) for name, value in named_entries(fields.get("families")).items()},
        model_types={name: reader.model_type(name, value) for name, value in types.items()},
        requires=requires_of(plugin),
        wrappers_required=_requires_wrappers(plugin),
    )


@dataclass(frozen=True)
class _Reader:
    """Turns the values of one manifest into families and model types."""

    plugin: str
    layer: Layer
    blocks: Mapping[str, Shape]

    def family(self, name: str, value: Value) -> Family:
        fields = _fields(value, FAMILY_KEYS)
        return Family(
            name=name,
            title=fields["title"].text(),
            plugin=self.plugin,
            architectures=fields["architectures"].texts(least=1),
            source=self._source(value),
            media_options={key: media_option(key, part) for key, part in _entries(fields, "media_options").items()},
            config=_data(fields, "config"),
            official_settings={key: _settings(part) for key, part in _entries(fields, "official_settings").items()},
            files=fields["files"].texts(least=1) if "files" in fields else CHECKPOINT_FILES,
            requires=requires_of(fields),
            signs=read_signs(fields["signs"]) if "signs" in fields else Signs(),
            template_signs={key: read_signs(part) for key, part in _entries(fields, "template_signs").items()},
        )

    def model_type(self, name: str, value: Value) -> ModelType:
        fields = _fields(value, MODEL_TYPE_KEYS)
        parameters = fields["parameters"].integer(1, HUGE)
        vision = fields.get("vision_parameters")
        return ModelType(
            name=name,
            family=named(fields["family"]),
            plugin=self.plugin,
            template=fields["template"].text(),
            modalities=tuple(cast(Modality, part.word(MODALITIES)) for part in fields["modalities"].values(least=1)),
            parameters=parameters,
            context_length=fields["context_length"].integer(1, HUGE),
            licence=licence(fields["licence"]),
            source=self._source(value),
            hub=hub(fields["hub"]) if "hub" in fields else Hub(),
            limits=limits(fields["limits"]) if "limits" in fields else Limits(),
            aliases=aliases(fields["aliases"]) if "aliases" in fields else (),
            vision_tower=text_of(fields, "vision_tower"),
            language_model=text_of(fields, "language_model"),
            shape=self._shape(fields["shape"]) if "shape" in fields else None,
            checkpoint=inner_folder(fields["checkpoint"]) if "checkpoint" in fields else None,
            vision_parameters=None if vision is None else vision.integer(0, parameters),
            language_architecture=text_of(fields, "language_architecture"),
            requires=requires_of(fields),
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


def _fields(value: Value, keys: tuple[tuple[str, ...], tuple[str, ...]]) -> dict[str, Value]:
    for name in _RECORDED:
        if name in value.entries():
            raise value.entries()[name].error(
                f"{name!r} cannot be written by hand.",
                "Remove it: what is verified comes from recorded runs of `vlmplug verify`.",
            )
    return value.fields(*keys)


def _blocks(value: Value | None) -> dict[str, Shape]:
    return {} if value is None else {name: _block(part) for name, part in value.entries().items()}


def _block(value: Value) -> Shape:
    entries = dict(value.entries())
    uncertain = entries.pop("uncertain", None)
    config = {key: part.data() for key, part in entries.items()}
    return Shape(config, uncertain.flag() if uncertain is not None else False)


def _check_aliases(types: Mapping[str, Value]) -> None:
    """One manifest must not give one name to two model types."""
    taken = {name: f"the model type of line {value.line}" for name, value in types.items()}
    for name, value in types.items():
        listed = value.entries().get("aliases")
        for alias in listed.values() if listed is not None and not listed.empty else ():
            if (owner := taken.get(alias.text())) is not None:
                raise alias.error(f"{shortened(alias.text())} is already {owner}.", "Give each name once.")
            taken[alias.text()] = f"an alias of {name}"


def _settings(value: Value) -> dict[str, Any]:
    return {key: part.data() for key, part in value.entries().items()}


def _has_wrappers(plugin: Mapping[str, Value]) -> bool:
    if "wrappers" not in plugin:
        return False
    value = plugin["wrappers"]
    flag = value.data()
    if not isinstance(flag, bool) and flag != REQUIRED:
        raise value.error(f"{shortened(flag)} is neither true nor false nor required.", "Write one of the three.")
    return flag is not False


def _requires_wrappers(plugin: Mapping[str, Value]) -> bool:
    return "wrappers" in plugin and plugin["wrappers"].content == REQUIRED


def _module(value: Value) -> str:
    path = value.text()
    if not _MODULE.fullmatch(path):
        raise value.error(f"{shortened(path)} is no import path.", "Write package.module or package.module:name.")
    return path


def _entries(fields: Mapping[str, Value], key: str) -> dict[str, Value]:
    return fields[key].entries() if key in fields else {}


def _data(fields: Mapping[str, Value], key: str) -> dict[str, Any]:
    return {name: value.data() for name, value in _entries(fields, key).items()}
