"""Registry files: everything that they may say is read, and what breaks the schema is named with file, line and key."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from tests.plugin_maker import write_yaml
from vlmplug.errors import ManifestError
from vlmplug.model_type import Setting, Source
from vlmplug.registry_file import PluginList, RegistryFile, family_key, read_registry_file
from vlmplug.statement import FileManifest, PackageManifest

FULL = """\
registry: 1
default_model_type: toy-1b
plugins:
  one: {distribution: vlmplug-one, package: one.inner, enabled: true}
  two: {manifest: two/manifest.yaml, enabled: false}
plugins_allowed: [one, vlmplug-Two]
plugins_blocked: [three]
owners:
  model_types: {toy-2b: one}
  families: {toy: two}
model_types:
  toy-1b:
    aliases: [mine]
    checkpoint: folder/toy
    context_length: 64
    hub: {huggingface: mirror/Toy-1B, huggingface_revision: main}
    limits: {images: 4}
"""


def read(tmp_path: Path, content: Any) -> RegistryFile:
    return read_registry_file(write_yaml(tmp_path / "registry.yaml", content), "user")


def test_everything_that_is_said_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, FULL)

    def at(line: int) -> Source:
        return Source("user", tmp_path / "registry.yaml", line)

    assert found.default_model_type == Setting("toy-1b", at(2))
    assert [(part.name, part.distribution, part.manifest, part.enabled) for part in found.plugins] == [
        ("one", "vlmplug-one", PackageManifest("one.inner"), True),
        ("two", None, FileManifest(tmp_path / "two" / "manifest.yaml"), False),
    ]
    assert found.lists == {
        "plugins_allowed": PluginList(("one", "vlmplug-Two"), at(6)),
        "plugins_blocked": PluginList(("three",), at(7)),
    }
    assert found.owners == {"toy-2b": Setting("one", at(9)), family_key("toy"): Setting("two", at(10))}
    override = found.overrides["toy-1b"]
    assert override.values == {
        "aliases": ("mine",),
        "checkpoint": tmp_path / "folder" / "toy",
        "context_length": 64,
        "hub.huggingface": "mirror/Toy-1B",
        "hub.huggingface_revision": "main",
        "limits.images": 4,
    }
    assert {name: source.line for name, source in override.sources.items()} == {
        "aliases": 13,
        "checkpoint": 14,
        "context_length": 15,
        "hub.huggingface": 16,
        "hub.huggingface_revision": 16,
        "limits.images": 17,
    }


def test_a_file_may_say_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "registry: 1\nplugins:\nowners:\n") == RegistryFile()


@pytest.mark.parametrize(("written", "folder"), [("~/toy", "home/toy"), ("/srv/toy", "/srv/toy"), ("toy", "toy")])
def test_folders_start_at_the_file_or_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, folder: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    found = read(tmp_path, {"registry": 1, "model_types": {"toy-1b": {"checkpoint": written}}})
    assert found.overrides["toy-1b"].values["checkpoint"] == tmp_path / folder


def test_a_later_file_wins_value_by_value(tmp_path: Path) -> None:
    later = {
        "registry": 1,
        "default_model_type": "toy-2b",
        "plugins_blocked": [],
        "owners": {"families": {"toy": "one"}},
        "model_types": {"toy-1b": {"limits": {"images": 9}}, "toy-2b": {"context_length": 5}},
    }
    first = read(tmp_path, FULL)
    both = first.overridden_by(read_registry_file(write_yaml(tmp_path / "later.yaml", later), "option"))
    assert both.default_model_type is not None
    assert (both.default_model_type.value, both.lists["plugins_blocked"].names) == ("toy-2b", ())
    assert both.lists["plugins_allowed"] == first.lists["plugins_allowed"]
    assert {name: owner.value for name, owner in both.owners.items()} == {"toy-2b": "one", family_key("toy"): "one"}
    override = both.overrides["toy-1b"]
    assert (override.values["limits.images"], override.values["context_length"]) == (9, 64)
    assert (override.sources["limits.images"].layer, override.sources["context_length"].layer) == ("option", "user")
    assert both.overrides["toy-2b"].values == {"context_length": 5}


TYPE = ["model_types", "toy-1b"]
#: Where a value of a valid file is replaced, by what, and what the error says behind file and line.
BROKEN: list[tuple[list[str], Any, str]] = [
    (["registry"], 2, "registry: '2' is not a whole number from 1 to 1."),
    (["registry"], None, "the key 'registry' is missing."),
    (["pluginz"], {}, "pluginz: unknown key 'pluginz'. Did you mean plugins"),
    (["default_model_type"], "Toy 1B", "default_model_type: 'Toy 1B' is no name."),
    (["default_model_type"], ["toy-1b"], "default_model_type: expected a text, found a list."),
    (["plugins"], ["one"], "plugins: expected a mapping, found a list."),
    (["plugins", "Toy"], {}, "plugins.Toy: 'Toy' is no name."),
    (["plugins", "one"], None, "plugins.one: expected a mapping, found nothing."),
    (["plugins", "one"], {"packge": "x"}, "one.packge: unknown key 'packge'. Did you mean package?"),
    (["plugins", "one"], {"package": "vlmplug-one"}, "one.package: 'vlmplug-one' is no package. Write the name that"),
    (["plugins", "one"], {"enabled": "maybe"}, "plugins.one.enabled: 'maybe' is neither true nor false."),
    (["plugins", "one"], {"distribution": "one two"}, "one.distribution: 'one two' is no name of a distribution."),
    (["plugins_allowed"], "one", "plugins_allowed: expected a list, found 'one'."),
    (["plugins_blocked"], ["one", "a b"], "plugins_blocked[1]: 'a b' is no name of a distribution."),
    (["owners"], {"model_type": {}}, "owners.model_type: unknown key 'model_type'. Did you mean model_types?"),
    (["owners"], {"families": {"toy": None}}, "owners.families.toy: expected a text, found nothing."),
    (["model_types", "Toy"], {}, "model_types.Toy: 'Toy' is no name."),
    ([*TYPE, "limitz"], {}, "model_types.toy-1b.limitz: unknown key 'limitz'. Did you mean limits?"),
    (
        [*TYPE, "family"],
        "other",
        "model_types.toy-1b.family: 'family' of a model type cannot be changed here. Change aliases, checkpoint, "
        "context_length, hub, limits only, or declare a model type of your own in a manifest.",
    ),
    ([*TYPE, "shape"], {}, "'shape' of a model type cannot be changed here."),
    ([*TYPE, "context_length"], 0, "context_length: '0' is not a whole number from 1"),
    ([*TYPE, "limits"], {"frames": "many"}, "limits.frames: 'many' is not a whole number from 0"),
    ([*TYPE, "limits"], {"pages": 1}, "limits.pages: unknown key 'pages'."),
    ([*TYPE, "hub"], {"huggingface": "Toy-1B"}, "hub.huggingface: 'Toy-1B' is no repository id."),
    ([*TYPE, "hub"], {"modelscope_revision": "a b"}, "hub.modelscope_revision: 'a b' is no revision."),
    ([*TYPE, "aliases"], ["A"], "aliases[0]: 'A' is no name."),
]


@pytest.mark.parametrize(("place", "value", "said"), BROKEN)
def test_what_breaks_the_schema_is_named(tmp_path: Path, place: list[str], value: Any, said: str) -> None:
    content = {"registry": 1, "plugins": {"one": {"package": "one"}}, "model_types": {"toy-1b": {}}}
    part: dict[str, Any] = copy.deepcopy(content)
    top = part
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, top)
    assert said in str(caught.value)
    assert re.match(rf"{re.escape(str(tmp_path / 'registry.yaml'))}:\d+: ", str(caught.value))
