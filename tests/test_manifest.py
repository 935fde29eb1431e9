"""Manifests: what a plugin declares, read as data; every error names file, line, key and the nearest valid word."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from tests.plugin_maker import MODEL_TYPE, manifest, toy_manifest, write_yaml
from vlmplug.errors import ManifestError
from vlmplug.manifest import Manifest, read_manifest
from vlmplug.media_option import MediaOption
from vlmplug.model_type import Hub, Licence, Limits, Shape


def read(tmp_path: Path, content: Any) -> Manifest:
    return read_manifest(write_yaml(tmp_path / "manifest.yaml", content), "installed")


FULL = """\
manifest: 1
plugin: {name: toy, api: 1, hooks: toy_plugin.hooks, wrappers: true, requires: {torch: ">=2.6"}}
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
    files: ["*.json", "*.safetensors"]
    requires: {transformers: ">=5.10,<6"}
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
    language_architecture: ToyLMForCausalLM
    aliases: [toy]
    hub:
      {huggingface: Org/Toy-1B, modelscope: org/Toy-1B, huggingface_revision: 12ab, modelscope_revision: v1.0}
    licence: {name: MIT, note: with a note, accept: true, url: "https://example.org/licence"}
    limits: {images: 8, frames: 64}
    shape: {vision_config: blocks.tower, extra: 3}
    checkpoint: weights/toy
    vision_parameters: 100
    requires: {timm: "==1.0.*", einops: "~=0.8"}
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
    assert first.hub == Hub("Org/Toy-1B", "org/Toy-1B", "12ab", "v1.0")
    assert first.licence == Licence("MIT", "with a note", True, "https://example.org/licence")
    assert first.limits == Limits(images=8, frames=64)
    assert first.shape == Shape({"vision_config": {"hidden_size": 64}, "extra": 3})
    assert first.checkpoint == tmp_path / "weights" / "toy"
    assert (first.aliases, first.vision_tower, first.language_model) == (("toy",), "ToyTower", "ToyLM")
    assert (first.language_architecture, second.language_architecture) == ("ToyLMForCausalLM", "")
    assert (first.source.layer, first.source.file.name, first.source.line) == ("installed", "manifest.yaml", 19)
    assert (found.requires, family.requires) == ({"torch": ">=2.6"}, {"transformers": ">=5.10,<6"})
    assert (first.requires, first.vision_parameters) == ({"timm": "==1.0.*", "einops": "~=0.8"}, 100)
    assert (family.files, second.vision_parameters) == (("*.json", "*.safetensors"), None)
    assert second.shape == Shape({"llm_config": {"hidden_size": 32}}, uncertain=True)
    assert (second.hub, second.limits, second.checkpoint) == (Hub(), Limits(), None)


def test_a_manifest_may_do_without_code_and_families(tmp_path: Path) -> None:
    found = read(tmp_path, manifest("tiny", model_types={"tiny-1b": dict(MODEL_TYPE)}))
    assert found.hooks is None
    assert found.model_types["tiny-1b"].family == "toy"


FAMILY = ["families", "toy"]
OPTION = [*FAMILY, "media_options", "max_num"]
INTEGER = {"type": "integer", "help": "x"}
TYPE = ["model_types", "toy-1b"]

#: Where a value of a valid manifest is replaced, by what, and what the error says behind file and line.
BROKEN: list[tuple[list[str], Any, str]] = [
    (["manifest"], 2, "manifest: '2' is not a whole number from 1 to 1."),
    (["manifest"], None, "the document: the key 'manifest' is missing. Add manifest: … below it."),
    (["familys"], {}, "familys: unknown key 'familys'. Did you mean families?"),
    (["model_types"], ["toy-1b"], "model_types: expected a mapping, found a list."),
    (["plugin"], "toy", "plugin: expected a mapping, found 'toy'."),
    (["plugin", "name"], "Toy Plugin", "plugin.name: 'Toy Plugin' is no name."),
    (["plugin", "name"], "t" * 101, f"plugin.name: '{'t' * 60}… is no name. Use at most 100"),
    (["plugin", "name"], 7, 'plugin.name: expected a text, found 7. Put it in quotation marks: "7".'),
    (["plugin", "nmae"], "toy", "plugin.nmae: unknown key 'nmae'. Did you mean name?"),
    (["plugin", "hooks"], "toy hooks", "plugin.hooks: 'toy hooks' is no import path."),
    (["plugin", "api"], "one", "plugin.api: 'one' is not a whole number"),
    (["plugin", "api"], 1.5, "plugin.api: '1.5' is not a whole number from 1 to 1000."),
    (["plugin", "wrappers"], "yes please", "plugin.wrappers: 'yes please' is neither true nor false"),
    (["plugin", "requires"], ["torch"], "plugin.requires: expected a mapping, found a list."),
    (["plugin", "requires"], {"torch": ">= two"}, "requires.torch: '>= two' is no PEP 440 version specifier."),
    (["plugin", "requires"], {"torch": 2.6}, "requires.torch: expected a text, found 2.6."),
    (["plugin", "requires"], {"torch": "2.6.1"}, "requires.torch: '2.6.1' is no PEP 440 version specifier."),
    (["plugin", "requires"], {"torch>=2": ">=2"}, "'torch>=2' is no name of a distribution."),
    (["plugin", "verified"], True, "plugin.verified: 'verified' cannot be written by hand."),
    ([*FAMILY, "architectures"], "ToyForCausalLM", "families.toy.architectures: expected a list"),
    ([*FAMILY, "architectures"], [], "families.toy.architectures: the list is empty."),
    ([*FAMILY, "files"], [], "families.toy.files: the list is empty."),
    ([*FAMILY, "config"], "toy", "families.toy.config: expected a mapping, found 'toy'."),
    ([*OPTION], {"type": "integer"}, "families.toy.media_options.max_num: the key 'help' is missing."),
    ([*OPTION], {"type": "int", "help": "x"}, "max_num.type: 'int' is not valid here. Did you mean integer?"),
    ([*OPTION], {**INTEGER, "range": [1]}, "max_num.range: expected two numbers"),
    ([*OPTION], {**INTEGER, "range": [9, 4]}, "max_num.range: 9 is larger than 4."),
    ([*OPTION], {**INTEGER, "words": ["a"]}, "max_num.words: an option of type integer takes no words."),
    ([*OPTION], {"type": "word", "help": "x"}, "max_num: the key 'words' is missing."),
    ([*OPTION], {"type": "boolean", "help": "x", "range": [0, 1]}, "an option of type boolean has no range."),
    (
        [*OPTION],
        {**INTEGER, "range": [1, 4], "default": 5},
        "max_num.default: 5 is not a valid default. Give a whole number from 1 to 4.",
    ),
    ([*OPTION], {**INTEGER, "media": ["audio"]}, "max_num.media[0]: 'audio' is not valid here."),
    ([*OPTION], {**INTEGER, "media": []}, "max_num.media: the list is empty."),
    ([*TYPE, "familly"], "toy", "model_types.toy-1b.familly: unknown key 'familly'. Did you mean family?"),
    ([*TYPE, "family"], None, "model_types.toy-1b: the key 'family' is missing."),
    ([*TYPE, "verification"], {}, "'verification' cannot be written by hand. Remove it: what is verified comes from"),
    ([*TYPE, "parameters"], 0, "model_types.toy-1b.parameters: '0' is not a whole number from 1"),
    ([*TYPE, "parameters"], "1B", "model_types.toy-1b.parameters: '1B' is not a whole number from 1"),
    ([*TYPE, "vision_parameters"], 1001, "vision_parameters: '1001' is not a whole number from 0 to 1000."),
    ([*TYPE, "modalities"], ["text", "images"], "modalities[1]: 'images' is not valid here. Did you mean image?"),
    ([*TYPE, "modalities"], [], "modalities: the list is empty."),
    ([*TYPE, "licence"], {"note": "x"}, "model_types.toy-1b.licence: the key 'name' is missing."),
    ([*TYPE, "licence"], {"name": "MIT", "url": "the web"}, "licence.url: 'the web' is no web address."),
    ([*TYPE, "licence"], {"name": "MIT", "accept": "no"}, "licence.accept: 'no' is neither true nor false."),
    ([*TYPE, "hub"], {"hugging_face": "x"}, "hub.hugging_face: unknown key 'hugging_face'. Did you mean huggingface"),
    ([*TYPE, "hub"], {"revision": "x"}, "hub.revision: unknown key 'revision'. Valid: huggingface,"),
    ([*TYPE, "hub"], {"huggingface": "../x"}, "hub.huggingface: '../x' is no repository id. Write OWNER/NAME"),
    ([*TYPE, "hub"], {"modelscope_revision": "-x"}, "hub.modelscope_revision: '-x' is no revision."),
    ([*TYPE, "limits"], {"images": -1}, "limits.images: '-1' is not a whole number from 0"),
    ([*TYPE, "aliases"], ["Not A Name"], "aliases[0]: 'Not A Name' is no name."),
    ([*TYPE, "aliases"], ["toy-1b"], "aliases[0]: 'toy-1b' is already the model type of line"),
    ([*TYPE, "aliases"], ["a", "a"], "aliases[1]: 'a' is already an alias of toy-1b."),
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
    assert re.match(rf"{re.escape(str(tmp_path / 'manifest.yaml'))}:\d+: ", str(caught.value))


def test_the_line_is_that_of_the_wrong_value(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.yaml:9: families\.toy\.media_options\.max_num\.type"):
        read(tmp_path, FULL.replace("type: integer", "type: intger"))


def test_uncertain_is_true_or_false(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"blocks\.guess\.uncertain: 'maybe' is neither true nor false"):
        read(tmp_path, FULL.replace("uncertain: true", "uncertain: maybe"))


@pytest.mark.parametrize("key", ["verified", "verification"])
@pytest.mark.parametrize("above", ["manifest: 1\n", "    title: Toy\n", "    parameters: 1000\n"])
def test_verification_comes_from_recorded_runs_only(tmp_path: Path, key: str, above: str) -> None:
    indent = above[: len(above) - len(above.lstrip())]
    with pytest.raises(ManifestError, match=f"'{key}' cannot be written by hand"):
        read(tmp_path, FULL.replace(above, f"{above}{indent}{key}: [prompts]\n"))


@pytest.mark.parametrize("written", ["2200000000", "2.2e9", "2200000000.0"])
def test_whole_numbers_may_be_written_with_an_exponent(tmp_path: Path, written: str) -> None:
    found = read(tmp_path, FULL.replace("parameters: 2000", f"parameters: {written}"))
    assert found.model_types["toy-2b"].parameters == 2_200_000_000


VERSIONS = st.from_regex(r"(==|!=|<=|>=|<|>|~=) ?[0-9]{1,3}(\.[0-9]{1,2}){0,2}((a|b|rc)[0-9])?(\.\*)?", fullmatch=True)


@given(st.lists(VERSIONS, min_size=1, max_size=3).map(",".join))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_version_specifiers_are_those_of_pep_440(tmp_path: Path, specifier: str) -> None:
    content = manifest("toy", requires={"torch": specifier})
    try:
        SpecifierSet(specifier)
    except InvalidSpecifier:
        with pytest.raises(ManifestError, match="no PEP 440 version specifier"):
            read(tmp_path, content)
    else:
        assert read(tmp_path, content).requires == {"torch": specifier}


@pytest.mark.parametrize(
    ("wrappers", "found"),
    [(None, (False, False)), (False, (False, False)), (True, (True, False)), ("required", (True, True))],
)
def test_wrappers_may_be_required(tmp_path: Path, wrappers: bool | str | None, found: tuple[bool, bool]) -> None:
    declared = read(tmp_path, manifest("toy", hooks="toy.hooks", wrappers=wrappers))
    assert (declared.wrappers, declared.wrappers_required) == found


@pytest.mark.parametrize("wrappers", ["requird", 1, ["required"], {"required": True}])
def test_wrappers_are_nothing_else(tmp_path: Path, wrappers: Any) -> None:
    with pytest.raises(ManifestError, match=r"plugin\.wrappers: .* is neither true nor false nor required\."):
        read(tmp_path, manifest("toy", hooks="toy.hooks", wrappers=wrappers))
