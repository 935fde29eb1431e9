"""Manifests: what a plugin declares, read as data; every error names file, line, key and the nearest valid word."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.plugin_maker import MODEL_TYPE, manifest, toy_manifest, write_yaml
from vlmplug.errors import ManifestError
from vlmplug.manifest import Manifest, read_manifest
from vlmplug.media_option import MediaOption
from vlmplug.model_type import Hub, Licence, Limits, Shape


def read(tmp_path: Path, content: Any) -> Manifest:
    return read_manifest(write_yaml(tmp_path / "manifest.yaml", content), "installed")


FULL = """\
manifest: 1
plugin: {name: toy, api: 1, hooks: toy_plugin.hooks, wrappers: true}
families:
  toy:
    title: Toy
    architectures: [ToyForCausalLM]
    config: {model_type: toy}
    media_options:
      max_num: {type: integer, range: [1, 40], default: 12, media: [image], help: Most tiles.}
      label: {type: word, words: [plain, hyphen], default_from: the template, help: Label.}
    official_settings:
      official: {vision_config.image_size: 448}
blocks:
  tower: {hidden_size: 64}
  guess: {hidden_size: 32, uncertain: true}
model_types:
  toy-1b:
    family: toy
    template: plain
    modalities: [text, image, video]
    parameters: 1000
    context_length: 128
    vision_tower: ToyTower
    language_model: ToyLM
    aliases: [toy]
    hub: {huggingface: Org/Toy-1B, modelscope: org/Toy-1B, revision: 12ab}
    licence: {name: MIT, note: with a note, accept: true}
    limits: {images: 8, frames: 64}
    shape: {vision_config: blocks.tower, extra: 3}
    checkpoint: weights/toy
  toy-2b:
    family: toy
    template: plain
    modalities: [text]
    parameters: 2000
    context_length: 128
    licence: {name: MIT}
    shape: {llm_config: blocks.guess}
"""


def test_everything_that_is_declared_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, FULL)
    assert (found.plugin, found.api, found.hooks, found.wrappers) == ("toy", 1, "toy_plugin.hooks", True)
    family, first, second = found.families["toy"], found.model_types["toy-1b"], found.model_types["toy-2b"]
    assert (family.title, family.plugin, family.architectures) == ("Toy", "toy", ("ToyForCausalLM",))
    assert family.config == {"model_type": "toy"}
    assert family.official_settings == {"official": {"vision_config.image_size": 448}}
    assert family.media_options["max_num"] == MediaOption(
        "max_num", "integer", 12, "Most tiles.", low=1, high=40, media=("image",)
    )
    assert family.media_options["label"].default_from == "the template"
    assert first.modalities == ("text", "image", "video")
    assert first.hub == Hub("Org/Toy-1B", "org/Toy-1B", "12ab")
    assert first.licence == Licence("MIT", "with a note", True)
    assert first.limits == Limits(images=8, frames=64)
    assert first.shape == Shape({"vision_config": {"hidden_size": 64}, "extra": 3})
    assert first.checkpoint == tmp_path / "weights" / "toy"
    assert (first.aliases, first.vision_tower, first.language_model) == (("toy",), "ToyTower", "ToyLM")
    assert (first.source.layer, first.source.file.name, first.source.line) == ("installed", "manifest.yaml", 18)
    assert second.shape == Shape({"llm_config": {"hidden_size": 32}}, uncertain=True)
    assert (second.hub, second.limits, second.checkpoint) == (Hub(), Limits(), None)


def test_a_manifest_may_do_without_code_and_families(tmp_path: Path) -> None:
    found = read(tmp_path, manifest("tiny", model_types={"tiny-1b": dict(MODEL_TYPE)}))
    assert found.hooks is None
    assert found.model_types["tiny-1b"].family == "toy"


OPTION = ["families", "toy", "media_options", "max_num"]
TYPE = ["model_types", "toy-1b"]

BROKEN: list[tuple[list[str], Any, str]] = [
    (["manifest"], 2, "manifest: '2' is not a whole number from 1 to 1."),
    (["plugin", "name"], "Toy Plugin", "plugin.name: 'Toy Plugin' is no name."),
    (["plugin", "nmae"], "toy", "plugin.nmae: unknown key 'nmae'. Did you mean name?"),
    (["plugin", "hooks"], "toy hooks", "plugin.hooks: 'toy hooks' is no import path."),
    (["plugin", "api"], "one", "plugin.api: 'one' is not a whole number"),
    (["plugin", "wrappers"], "yes please", "plugin.wrappers: 'yes please' is neither true nor false."),
    (["familys"], {}, "familys: unknown key 'familys'. Did you mean families?"),
    (["families", "toy", "architectures"], "ToyForCausalLM", "families.toy.architectures: expected a list"),
    ([*OPTION], {"type": "integer"}, "families.toy.media_options.max_num: the key 'help' is missing."),
    ([*OPTION], {"type": "int", "help": "x"}, "max_num.type: 'int' is not valid here. Did you mean integer?"),
    ([*OPTION], {"type": "integer", "help": "x", "range": [1]}, "max_num.range: expected two numbers"),
    (
        [*OPTION],
        {"type": "integer", "help": "x", "range": [1, 4], "default": 5},
        "max_num.default: 5 is not a valid default. Give a whole number from 1 to 4.",
    ),
    ([*OPTION], {"type": "integer", "help": "x", "media": ["audio"]}, "max_num.media[0]: 'audio' is not valid here."),
    ([*TYPE, "familly"], "toy", "model_types.toy-1b.familly: unknown key 'familly'. Did you mean family?"),
    ([*TYPE, "parameters"], 0, "model_types.toy-1b.parameters: '0' is not a whole number from 1"),
    (
        [*TYPE, "modalities"],
        ["text", "images"],
        "modalities[1]: 'images' is not valid here. Did you mean image?",
    ),
    ([*TYPE, "licence"], {"note": "x"}, "model_types.toy-1b.licence: the key 'name' is missing."),
    ([*TYPE, "hub"], {"hugging_face": "x"}, "hub.hugging_face: unknown key 'hugging_face'. Did you mean huggingface?"),
    ([*TYPE, "limits"], {"images": -1}, "limits.images: '-1' is not a whole number from 0"),
    ([*TYPE, "aliases"], ["Not A Name"], "aliases[0]: 'Not A Name' is no name."),
    ([*TYPE, "shape"], {"vision_config": "blocks.towr"}, "'blocks.towr' is not valid here. Did you mean blocks.tower?"),
    ([*TYPE, "checkpoint"], "../../etc", "checkpoint: '../../etc' leads out of the plugin."),
    ([*TYPE, "checkpoint"], "/etc", "checkpoint: '/etc' leads out of the plugin."),
    (["model_types", "Toy 1B"], {}, "model_types.Toy 1B: 'Toy 1B' is no name."),
]


@pytest.mark.parametrize(("place", "value", "said"), BROKEN)
def test_what_breaks_the_schema_is_named(tmp_path: Path, place: list[str], value: Any, said: str) -> None:
    content = copy.deepcopy(toy_manifest())
    content["blocks"] = {"tower": {"hidden_size": 64}}
    content["families"]["toy"]["media_options"] = {"max_num": {"type": "integer", "help": "Most tiles."}}
    part = content
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, content)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'manifest.yaml'}:")


def test_the_line_is_that_of_the_wrong_value(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.yaml:9: families\.toy\.media_options\.max_num\.type"):
        read(tmp_path, FULL.replace("type: integer", "type: intger"))


def test_uncertain_is_true_or_false(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"blocks\.guess\.uncertain: 'maybe' is neither true nor false"):
        read(tmp_path, FULL.replace("uncertain: true", "uncertain: maybe"))
