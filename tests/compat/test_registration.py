"""``register_model`` and ``register_template``: names for checkpoints of families that are there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.compat.conftest import CHECKPOINT, ROOT
from vlmplug.compat.swift import (
    InferArguments,
    ModelType,
    SwiftValueError,
    Template,
    register_model,
    register_template,
)
from vlmplug.compat.swift.catalogue import CATALOGUE
from vlmplug.errors import AmbiguousModelError, CheckpointError, ManifestError, OptionError, RegistryError
from vlmplug.pipeline import open_preparer

HUB_ID = "OpenGVLab/InternVL2-2B"


def test_a_folder_becomes_a_model_type_of_its_kind() -> None:
    register_model("my-shapes", CHECKPOINT, requires=["numpy>=1.26", "pillow"])
    registry = CATALOGUE.registry()
    mine, kind = registry.model_type(ModelType.my_shapes), registry.model_type("internvl2-tiny")
    assert mine.checkpoint == Path(CHECKPOINT)
    assert mine.plugin == "registered" and registry.plugin("registered").status == "ready"
    same = ("family", "template", "modalities", "parameters", "context_length", "licence", "vision_parameters")
    assert [getattr(mine, name) for name in same] == [getattr(kind, name) for name in same]
    assert mine.requires["pillow"] == ">=10.3,>=0"
    assert open_preparer("my-shapes", registry=registry).model.model_type == "my-shapes"


def test_a_repository_that_is_known() -> None:
    register_model("mine", HUB_ID, hf_model_id="me/InternVL2-2B", revision="v1")
    hub = CATALOGUE.registry().model_type("mine").hub
    assert (hub.modelscope, hub.huggingface) == (HUB_ID, "me/InternVL2-2B")
    assert (hub.modelscope_revision, hub.huggingface_revision) == ("v1", "v1")


def test_several_stand_beside_each_other() -> None:
    register_model("one", CHECKPOINT)
    register_model("two", HUB_ID)
    assert {"one", "two", "internvl2-2b"} <= set(CATALOGUE.registry().model_types)


def test_a_folder_that_was_registered_leads_to_its_name() -> None:
    register_model("mine", CHECKPOINT)
    assert InferArguments(ckpt_dir=CHECKPOINT).model_type == "mine"


def test_a_model_type_that_was_registered_is_no_kind() -> None:
    """Registering the same folder twice is not ambiguous."""
    register_model("mine", CHECKPOINT)
    register_model("mine-too", CHECKPOINT)
    register_model("hub-one", HUB_ID)
    assert InferArguments(model_id_or_path=HUB_ID).model_type == "internvl2-2b"


@pytest.mark.parametrize("name", ["internvl2-2b", "tiny", "mine"])
def test_a_name_that_is_taken(name: str) -> None:
    register_model("mine", CHECKPOINT)
    with pytest.raises(SwiftValueError, match=f"The `{name}` has already been registered"):
        register_model(name, CHECKPOINT)


def test_a_name_that_is_taken_on_purpose() -> None:
    register_model("internvl2-2b", CHECKPOINT, exist_ok=True)
    registry = CATALOGUE.registry()
    assert registry.model_type("internvl2-2b").checkpoint == Path(CHECKPOINT)
    CATALOGUE.remove_model("internvl2-2b")
    assert CATALOGUE.registry().model_type("internvl2-2b").checkpoint is None


def loader(*arguments: Any) -> Any:
    raise AssertionError("called")


def test_a_loading_function_is_refused() -> None:
    with pytest.raises(OptionError, match="mine brings a loading function"):
        register_model("mine", CHECKPOINT, get_function=loader)
    with pytest.raises(OptionError, match="mine brings a loading function"):
        register_model("mine", CHECKPOINT, function_kwargs={"a": 1})
    with pytest.raises(OptionError, match=r"mine brings the loading function loader, .*docs/plugins\.md"):
        register_model("mine", CHECKPOINT)(loader)
    assert "mine" not in CATALOGUE.models and "mine" not in CATALOGUE.registry().model_types


@pytest.mark.parametrize(
    ("place", "more", "error", "message"),
    [
        (None, {}, OptionError, "no checkpoint is named"),
        ("me/unknown", {}, OptionError, "has the repository 'me/unknown'.*name its folder"),
        (HUB_ID, {"template": "internvl"}, OptionError, "template of internvl2-2b is 'internvl2', not 'internvl'"),
        (HUB_ID, {"torch_dtype": "int8"}, OptionError, "torch_dtype is 'int8'"),
        (HUB_ID, {"requires": ["a b"]}, OptionError, "requires holds 'a b'"),
        (HUB_ID, {"support_lmdeply": True}, OptionError, "takes no 'support_lmdeply'. Did you mean support_lmdeploy"),
        (str(ROOT / "tests/golden/internvl2/tiny"), {}, AmbiguousModelError, r"get_lmdeploy_engine\('internvl2-2b'"),
        (str(ROOT / "docs"), {}, CheckpointError, r"config\.json"),
    ],
)
def test_what_cannot_be_registered(
    place: str | None, more: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        register_model("mine", place, **more)
    assert not CATALOGUE.models


def test_a_name_that_is_none_changes_nothing() -> None:
    register_model("mine", CHECKPOINT)
    with pytest.raises(ManifestError, match="'My Model' is no name"):
        register_model("My Model", CHECKPOINT)
    assert list(CATALOGUE.models) == ["mine"]
    assert CATALOGUE.registry().model_type("mine")


def test_marks_for_swift_s_own_programs_change_nothing() -> None:
    register_model("mine", CHECKPOINT, support_lmdeploy=True, tags=["multi-modal"], ignore_file_pattern=["*.bin"])
    assert ModelType.mine == "mine"


def test_a_folder_that_moves_is_told_when_it_is_used(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(CHECKPOINT, tmp_path / "mine"))
    register_model("mine", str(folder))
    shutil.rmtree(folder)
    with pytest.raises(CheckpointError, match="is not a folder"):
        open_preparer("mine", registry=CATALOGUE.registry())


def test_templates_have_names_of_their_own() -> None:
    register_template("mine", Template([], [], [], []), infer_media_type="interleave")
    for name in ("mine", "internvl2", "AUTO"):
        with pytest.raises(SwiftValueError, match=f"The `{name}` has already been registered"):
            register_template(name, Template([], [], [], []))
    other = Template([], [], [], [])
    register_template("mine", other, exist_ok=True)
    assert CATALOGUE.templates["mine"] is other


def test_templates_with_code_are_refused() -> None:
    class Mine(Template):
        """A subclass, as swift's own templates of vision models are."""

    with pytest.raises(OptionError, match=r"is a Mine, whose code is not called .*docs/plugins\.md"):
        register_template("mine", Mine([], [], [], []))
    with pytest.raises(OptionError, match="register_template takes no 'lazy'"):
        register_template("mine", Template([], [], [], []), lazy=True)


def test_nothing_registered_nothing_changed() -> None:
    register_model("mine", CHECKPOINT)
    CATALOGUE.remove_model("mine")
    with pytest.raises(RegistryError):
        CATALOGUE.registry().plugin("registered")
