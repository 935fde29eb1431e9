"""Names, hub ids, addresses and folders lead to a model type, or to an error that says what else there is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.plugin_maker import FAMILY, MODEL_TYPE, manifest, packages, registry_of, write_plugin
from vlmplug.checkpoint import shape_config
from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.errors import (
    AmbiguousModelError,
    CheckpointError,
    CheckpointMismatchError,
    DuplicateNameError,
    NoPluginError,
    UnknownModelTypeError,
)
from vlmplug.registry import Registry, load_registry
from vlmplug.resolve import Resolution, resolve

TEMPLATES = {"internvl2-2b": "internlm2-chat", "internvl2-1b": "Hermes-2", "internvl3-1b": "internvl2_5"}
OFFICIAL_CODE = {"internvl2-2b": "'你是由上海人工智能实验室联合商汤科技开发的'", "mini": "whose name is InternLM"}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(RegistrySources(built_in_file(), strict=True))


def model_folder(registry: Registry, folder: Path, name: str = "internvl2-1b", **changes: Any) -> Path:
    """A folder with the ``config.json`` of a model type in its true size."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {**shape_config(registry, name), "template": TEMPLATES[name], **changes}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def chosen(found: Resolution) -> str:
    return found.unique().name


@pytest.mark.parametrize(
    ("name", "rule", "model_type"),
    [
        ("internvl2-2b", "model type", "internvl2-2b"),
        (" internvl2-2b ", "model type", "internvl2-2b"),
        ("tiny", "alias", "internvl2-tiny"),
        ("OpenGVLab/InternVL2-2B", "hub id", "internvl2-2b"),
        ("opengvlab/INTERNVL2-2b", "hub id", "internvl2-2b"),
        ("OpenGVLab/InternVL2-2B@v1", "hub id", "internvl2-2b"),
        ("ms://AI-ModelScope/InternVL-Chat-V1-5", "hub id", "internvl-chat-v1_5"),
        ("AI-ModelScope/InternVL-Chat-V1-5", "hub id", "internvl-chat-v1_5"),
        ("hf://OpenGVLab/InternVL-Chat-V1-5", "hub id", "internvl-chat-v1_5"),
        ("https://huggingface.co/OpenGVLab/InternVL2-2B/tree/main", "hub id", "internvl2-2b"),
        ("https://hf-mirror.com/OpenGVLab/InternVL2-2B", "hub id", "internvl2-2b"),
        ("https://modelscope.cn/models/OpenGVLab/InternVL2-2B/summary", "hub id", "internvl2-2b"),
    ],
)
def test_names(registry: Registry, name: str, rule: str, model_type: str) -> None:
    found = resolve(registry, name)
    assert (found.rule, chosen(found), found.folder) == (rule, model_type, None)
    assert found.family is not None
    assert found.family.name == "internvl2"
    assert model_type in found.because
    assert [(candidate.name, candidate.fits) for candidate in found.considered] == [(model_type, True)]


def test_the_revision_of_an_address_is_kept(registry: Registry) -> None:
    reference = resolve(registry, "https://hf-mirror.com/OpenGVLab/InternVL2-2B/tree/refs%2Fpr%2F3").reference
    assert reference is not None
    assert (reference.repository, reference.hub, reference.revision) == (
        "OpenGVLab/InternVL2-2B",
        "huggingface",
        "refs/pr/3",
    )


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("internvl2-3b", "internvl2-2b"),
        ("InternVL2-2B", "internvl2-2b"),
        ("tinny", "tiny"),
        ("OpenGVLab/InternVL2-3B", "OpenGVLab/InternVL2-2B"),
        ("https://huggingface.co/OpenGVLab/InternVL-2B", "OpenGVLab/InternVL2-2B"),
        ("hf://AI-ModelScope/InternVL-Chat-V1-5", "AI-ModelScope/InternVL-Chat-V1-5"),
        ("", "hub id"),
        ("internvl2-2b" * 400, "Valid: "),
        ("\0", "Valid: "),
    ],
)
def test_near_misses(registry: Registry, name: str, near: str) -> None:
    with pytest.raises(UnknownModelTypeError) as caught:
        resolve(registry, name)
    assert near in caught.value.remedy


@pytest.mark.parametrize(
    "name", ["qwen2-vl-7b-instruct", "Qwen/Qwen2-VL-7B-Instruct", "ms://qwen/qwen2-vl-7b-instruct"]
)
def test_known_types_without_a_plugin(registry: Registry, name: str) -> None:
    with pytest.raises(NoPluginError, match=r"qwen2-vl-7b-instruct") as caught:
        resolve(registry, name)
    assert caught.value.remedy


def test_files_of_a_folder_decide(registry: Registry, tmp_path: Path) -> None:
    found = resolve(registry, str(model_folder(registry, tmp_path / "mine")))
    assert (chosen(found), found.rule, found.folder) == ("internvl2-1b", "folder", (tmp_path / "mine").resolve())
    assert "InternVLChatModel" in found.because
    reasons = {candidate.name: candidate.why for candidate in found.considered}
    assert reasons["internvl2-1b"] == "shapes and template agree"
    assert reasons["internvl2_5-1b"].startswith("template is Hermes-2, not internvl2_5")
    assert len(found.considered) == sum(entry.family == "internvl2" for entry in registry.model_types.values())


@pytest.mark.parametrize(
    "lying",
    [
        "internvl2-2b",
        "InternVL2-2B",
        "models--OpenGVLab--InternVL2-2B/snapshots/0123",
        "modelscope/hub/models/OpenGVLab/InternVL2-2B",
        "modelscope/hub/OpenGVLab/InternVL2-2B",
        "OpenGVLab___InternVL2-2B",
    ],
)
def test_names_of_folders_never_decide(registry: Registry, tmp_path: Path, lying: str) -> None:
    folder = model_folder(registry, tmp_path / lying)
    assert chosen(resolve(registry, str(folder))) == "internvl2-1b"


@pytest.mark.parametrize("inside", ["", "snapshots", "snapshots/new"])
def test_a_folder_of_the_hub_cache_leads_to_its_newest_state(registry: Registry, tmp_path: Path, inside: str) -> None:
    top = tmp_path / "models--OpenGVLab--InternVL2-2B"
    model_folder(registry, top / "snapshots" / "new")
    model_folder(registry, top / "snapshots" / "old", "internvl2-2b")
    (top / "refs").mkdir()
    (top / "refs" / "main").write_text("new\n")
    found = resolve(registry, str(top / inside))
    assert (chosen(found), found.rule, found.folder) == ("internvl2-1b", "hub cache folder", top / "snapshots" / "new")
    assert found.reference is not None
    assert found.reference.repository == "OpenGVLab/InternVL2-2B"


def test_a_cache_with_several_states_and_no_newest_is_asked_back(registry: Registry, tmp_path: Path) -> None:
    top = tmp_path / "models--A--B"
    for state in ("one", "two"):
        model_folder(registry, top / "snapshots" / state)
    with pytest.raises(CheckpointError, match=r"2 states \(one, two\).*Name one: .*snapshots"):
        resolve(registry, str(top))
    shutil.rmtree(top / "snapshots" / "two")
    assert chosen(resolve(registry, str(top))) == "internvl2-1b"


def test_links_of_the_hub_cache_are_followed(registry: Registry, tmp_path: Path) -> None:
    blobs = model_folder(registry, tmp_path / "blobs")
    state = tmp_path / "models--A--B" / "snapshots" / "0123"
    state.mkdir(parents=True)
    (state / "config.json").symlink_to(blobs / "config.json")
    assert chosen(resolve(registry, str(state.parent.parent))) == "internvl2-1b"


@pytest.mark.parametrize(
    ("code", "decided"),
    [(OFFICIAL_CODE["internvl2-2b"], "internvl2-2b"), (OFFICIAL_CODE["mini"], "mini-internvl-chat-2b-v1_5")],
)
def test_the_official_prompt_text_tells_generations_of_one_shape_apart(
    registry: Registry, tmp_path: Path, code: str, decided: str
) -> None:
    folder = model_folder(registry, tmp_path, "internvl2-2b")
    (folder / "conversation.py").write_text(f"raise SystemExit\n# {code}", "utf-8")
    assert chosen(resolve(registry, str(folder))) == decided


AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128}


@pytest.mark.parametrize("place", ["top", "llm_config"])
def test_quantised_folders_are_told_from_others_by_their_files(registry: Registry, tmp_path: Path, place: str) -> None:
    at_top = place == "top"
    language = shape_config(registry, "internvl2-2b")["llm_config"] | ({} if at_top else {"quantization_config": AWQ})
    changes = {"quantization_config": AWQ} if at_top else {}
    folder = model_folder(registry, tmp_path, "internvl2-2b", llm_config=language, **changes)
    (folder / "conversation.py").write_text(OFFICIAL_CODE["internvl2-2b"], "utf-8")
    found = resolve(registry, str(folder))
    assert chosen(found) == "internvl2-2b-awq"
    considered = {candidate.name: candidate.why for candidate in found.considered}
    assert considered["internvl2-2b"] == "the weights are awq, not unquantised"


@pytest.mark.parametrize(
    ("declared", "method"),
    [({"quant_method": "gptq"}, "gptq"), ({"load_in_8bit": True}, "bitsandbytes"), (["odd"], "unknown")],
)
def test_weights_quantised_in_another_way_fit_no_type(
    registry: Registry, tmp_path: Path, declared: Any, method: str
) -> None:
    folder = model_folder(registry, tmp_path, "internvl2-1b", quantization_config=declared)
    with pytest.raises(AmbiguousModelError, match=f"the weights are {method}, not unquantised"):
        resolve(registry, str(folder)).unique()


def test_several_types_fit(registry: Registry, tmp_path: Path) -> None:
    folder = model_folder(registry, tmp_path / "internvl3-1b", "internvl3-1b")
    found = resolve(registry, str(folder))
    assert found.model_type is None
    assert [candidate.name for candidate in found.considered if candidate.fits] == ["internvl2_5-1b", "internvl3-1b"]
    with pytest.raises(AmbiguousModelError) as caught:
        found.unique()
    assert "internvl3-1b (language model Qwen2.5-0.5B)" in caught.value.problem
    in_python, flags = f"load(TYPE, folder='{folder}') in Python", f"--model TYPE --model-dir {folder}"
    assert caught.value.remedy == f"Name the one you mean: {in_python}, {flags} at the command line."


def test_the_name_of_a_cache_is_a_hint_and_no_more(registry: Registry, tmp_path: Path) -> None:
    folder = model_folder(registry, tmp_path / "models--OpenGVLab--InternVL3-1B" / "snapshots" / "1", "internvl3-1b")
    with pytest.raises(AmbiguousModelError, match=r"speaks of OpenGVLab/InternVL3-1B, but names of folders decide"):
        resolve(registry, str(folder)).unique()


def test_a_family_without_a_type_that_fits(registry: Registry, golden: Path) -> None:
    found = resolve(registry, str(golden / "tiny"))
    assert found.family is not None
    assert (found.model_type, found.family.name) == (None, "internvl2")
    with pytest.raises(AmbiguousModelError, match=r"internvl2, but none of its model types fits\. The nearest"):
        found.unique()


def test_a_fine_tuned_folder_with_added_tokens(registry: Registry, tmp_path: Path) -> None:
    language = {**shape_config(registry, "internvl2-1b")["llm_config"], "vocab_size": 151_700}
    found = resolve(registry, str(model_folder(registry, tmp_path, llm_config=language)))
    assert chosen(found) == "internvl2-1b"
    assert "all but added tokens agree (llm_config.vocab_size is 151700, not 151655)" in found.because


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (None, CheckpointError, "config.json is missing"),
        ("{", CheckpointError, "cannot be read"),
        ("[]", CheckpointError, "expected a JSON object"),
        ('{"architectures": ["LlamaForCausalLM"]}', CheckpointMismatchError, "LlamaForCausalLM, which no family"),
    ],
)
def test_folders_of_no_use(
    registry: Registry, tmp_path: Path, content: str | None, error: type[Exception], said: str
) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(error, match=said):
        resolve(registry, str(tmp_path))


@pytest.mark.parametrize(
    "path",
    [
        *("./nowhere", "../nowhere", "~/no/where", "~nobody-here/no", "/no/where", ".\\nowhere", "C:\\no\\where"),
        *("./\0", "./" + "x" * 5000),
    ],
)
def test_paths_are_never_names(registry: Registry, path: str) -> None:
    with pytest.raises(CheckpointError, match="There is no folder"):
        resolve(registry, path)


def test_the_path_of_config_json_means_its_folder(registry: Registry, tmp_path: Path) -> None:
    folder = model_folder(registry, tmp_path / "mine")
    assert chosen(resolve(registry, str(folder / "config.json"))) == "internvl2-1b"


@pytest.mark.parametrize("name", ["internvl2-2b", "OpenGVLab/InternVL2-2B"])
def test_a_name_wins_over_a_folder_of_that_name(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    model_folder(registry, tmp_path / name)
    found = resolve(registry, name)
    assert (chosen(found), found.folder) == ("internvl2-2b", None)
    assert "names win over folders" in found.considered[-1].why
    assert chosen(resolve(registry, f"./{name}")) == "internvl2-1b"


@pytest.mark.parametrize("name", ["mine", "models/mine"])
def test_a_folder_that_nothing_else_is_called_like(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    model_folder(registry, tmp_path / name)
    assert chosen(resolve(registry, name)) == "internvl2-1b"


@pytest.fixture
def doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Two types with one hub id, and a name with two owners."""
    monkeypatch.syspath_prepend(str(tmp_path))
    at = {"hub": {"huggingface": "Org/Toy", "modelscope": "Org/Toy-MS"}}
    types = {"toy-a": {**MODEL_TYPE, **at}, "toy-b": {**MODEL_TYPE, **at, "template": "other"}, "both": MODEL_TYPE}
    write_plugin(tmp_path, "one", manifest("one", families={"toy": dict(FAMILY)}, model_types=types))
    write_plugin(tmp_path, "two", manifest("two", model_types={"both": MODEL_TYPE}))
    return registry_of(tmp_path, packages("one", "two"))


def test_a_hub_id_of_two_types(doubled: Registry) -> None:
    found = resolve(doubled, "org/toy")
    assert [candidate.name for candidate in found.considered] == ["toy-a", "toy-b"]
    with pytest.raises(AmbiguousModelError, match=r"toy-a \(template plain\); toy-b \(template other\)"):
        found.unique()


@pytest.mark.parametrize("name", ["ms://Org/Toy", "hf://Org/Toy-MS", "https://modelscope.cn/models/Org/Toy"])
def test_an_id_of_the_other_hub_is_none(doubled: Registry, name: str) -> None:
    with pytest.raises(UnknownModelTypeError):
        resolve(doubled, name)


def test_a_word_that_is_near_a_hub_id_only(doubled: Registry) -> None:
    with pytest.raises(UnknownModelTypeError, match="Did you mean Org/Toy-MS"):
        resolve(doubled, "Org-Toy-MS")


def test_a_name_with_two_owners(doubled: Registry) -> None:
    with pytest.raises(DuplicateNameError, match=r"one.*two"):
        resolve(doubled, "both")
