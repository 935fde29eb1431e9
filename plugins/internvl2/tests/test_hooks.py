"""What the hooks say about a checkpoint, and how they refuse what they cannot serve."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlmplug.conversation import (
    Conversation,
    ImagePart,
    Message,
    PromptOptions,
    TextPart,
    VideoPart,
    assistant_message,
    user_message,
)
from vlmplug.errors import (
    CheckpointMismatchError,
    ConversationError,
    OptionError,
    PlacementError,
    TokenizerError,
)
from vlmplug.import_path import load as load_path
from vlmplug.model import FamilyModel, MediaBatch, MediaInput, ModelSource
from vlmplug.prompt import RenderedPrompt
from vlmplug.sampling import SamplingDefaults
from vlmplug_internvl2 import hooks

Load = Callable[..., FamilyModel]
WIDE = np.zeros((112, 224, 3), np.uint8)


def prepared(
    model: FamilyModel, conversation: Conversation, **options: Any
) -> tuple[RenderedPrompt, tuple[MediaInput, ...]]:
    """The prompt of a conversation and its media."""
    opened = conversation.opened()
    prompt = hooks.render_prompt(model, opened, PromptOptions(**options))
    return prompt, hooks.preprocess_media(model, MediaBatch(opened.media, prompt.items))


@pytest.mark.parametrize(
    ("checkpoint", "stop", "placeholder", "architecture"),
    [
        ("tiny", (565, 566), 569, "InternLM2ForCausalLM"),
        ("tiny_6b", (565, 566), 569, "InternLM2ForCausalLM"),
        ("tiny_qwen2", (502,), 505, "Qwen2ForCausalLM"),
    ],
)
def test_a_checkpoint(load: Load, checkpoint: str, stop: tuple[int, ...], placeholder: int, architecture: str) -> None:
    model = load(checkpoint)
    assert (model.stop_ids, model.placeholder_id) == (stop, placeholder)
    assert model.text_config["architectures"] == [architecture]
    assert (model.context_length, model.dtype) == (4096, "float32")
    assert (model.settings.tile_size, model.settings.tokens_per_tile) == (112, 16)
    assert model.sampling == SamplingDefaults()
    assert pickle.loads(pickle.dumps(model)).settings == model.settings


def test_the_paths_for_the_workers_can_be_imported(load: Load) -> None:
    model = load("tiny")
    tower = load_path(model.tower.builder)(model.tower.config)
    assert load_path(model.weight_route)("mlp1.1.weight") == ("vision", "mlp1.1.weight")
    assert dict(tower.named_parameters())["mlp1.1.weight"].shape == (96, 256)


def test_sampling_defaults_come_from_the_checkpoint(golden: Path, changed: Callable[[Path], Path]) -> None:
    folder = changed(golden / "tiny_6b")
    (folder / "generation_config.json").write_text(json.dumps({"temperature": 0.3, "do_sample": True}))
    config = json.loads((folder / "config.json").read_text())
    model = hooks.load_model(ModelSource("internvl2-26b", "internvl2", folder, config, "internlm2-chat"))
    assert model.sampling == SamplingDefaults(temperature=0.3, do_sample=True)
    assert model.stop_ids == (565,)


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Path], Path]:
    """A writable copy of a model folder."""
    import shutil

    return lambda folder: Path(shutil.copytree(folder, tmp_path / folder.name, copy_function=shutil.copyfile))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"architectures": ["QWenLMHeadModel"]}, "architecture QWenLMHeadModel"),
        ({"architectures": None}, "architecture none"),
        ({"llm_config": None}, "llm_config of config.json is missing"),
        ({"vision_config": "large"}, "vision_config of config.json is 'large'"),
        ({"llm_config": {"architectures": ["MambaForCausalLM"]}}, "architecture MambaForCausalLM"),
        (
            {"llm_config": {"architectures": ["LlamaForCausalLM"], "hidden_size": 8}},
            "config.json has no intermediate_size",
        ),
        ({"template": "internvl_zh"}, "template is 'internvl_zh'"),
        ({"torch_dtype": "int4"}, "data type 'int4'"),
    ],
)
def test_other_checkpoints_are_refused(load: Load, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(CheckpointMismatchError, match=problem):
        load("tiny", **changes)


def test_a_tokenizer_of_another_checkpoint_is_refused(golden: Path, load: Load) -> None:
    language = json.loads((golden / "tiny" / "config.json").read_text())["llm_config"]
    with pytest.raises(CheckpointMismatchError, match="576 tokens, the language model 500"):
        load("tiny", llm_config={**language, "vocab_size": 500})


@pytest.mark.parametrize(
    ("checkpoint", "file", "expected"),
    [("tiny", "tokenizer.model", "tokenizer.model"), ("tiny_qwen2", "vocab.json", "vocab.json")],
)
def test_missing_tokenizer_files_are_named(
    golden: Path, changed: Callable[[Path], Path], checkpoint: str, file: str, expected: str
) -> None:
    folder = changed(golden / checkpoint)
    for name in (file, "tokenizer.json"):
        (folder / name).unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text())
    with pytest.raises(TokenizerError, match=expected):
        hooks.load_model(ModelSource("internvl2-2b", "internvl2", folder, config, "internlm2-chat"))


def test_generated_ids_are_reused(load: Load) -> None:
    model = load("tiny")
    conversation = Conversation((user_message("Hi"), assistant_message("x", (335, 335)), user_message("And?")))
    found = hooks.inject_vision_tokens(model, hooks.render_prompt(model, conversation, PromptOptions()), ())
    assert (335, 335, 565) in zip(found.input_ids, found.input_ids[1:], found.input_ids[2:], strict=False)


def test_a_literal_placeholder_is_text(load: Load) -> None:
    model = load("tiny")
    prompt, media = prepared(model, Conversation((user_message("<IMG_CONTEXT><img>", images=(WIDE,)),)))
    found = hooks.inject_vision_tokens(model, prompt, media)
    assert found.input_ids.count(model.placeholder_id) == media[0].tokens
    assert "<IMG_CONTEXT><img>" in model.tokenizer.decode(found.input_ids)


@pytest.mark.parametrize("where", ["system", "user", "assistant"])
def test_a_parsed_placeholder_beside_a_picture_is_refused(load: Load, where: str) -> None:
    texts = {role: "<IMG_CONTEXT>" if role == where else "x" for role in ("system", "user", "assistant")}
    turns = (
        Message("system", (TextPart(texts["system"]),)),
        Message("user", (ImagePart(WIDE), TextPart(texts["user"]))),
        assistant_message(texts["assistant"]),
        user_message("x"),
    )
    with pytest.raises(PlacementError, match=rf"messages\[{['system', 'user', 'assistant'].index(where)}\]"):
        prepared(load("tiny"), Conversation(turns), parse_special_tokens=True)


@pytest.mark.parametrize(
    ("media", "part", "problem"),
    [
        ({"max_num": 41}, {}, "the request: max_num is 41"),
        ({"max_nun": 4}, {}, "no media option 'max_nun'"),
        ({}, {"max_num": 0}, "picture 1: max_num is 0"),
        ({}, {"num_segments": 3}, "num_segments does not apply"),
        ({"max_num": 4}, {"min_num": 6}, "picture 1: min_num is 6, more than max_num, which is 4"),
        ({"bound_seconds": (5, 2)}, {}, "bound_seconds"),
    ],
)
def test_options_out_of_range_are_named(load: Load, media: dict[str, Any], part: dict[str, Any], problem: str) -> None:
    conversation = Conversation((Message("user", (ImagePart(WIDE, part), TextPart("x"))),))
    with pytest.raises(OptionError, match=problem):
        prepared(load("tiny"), conversation, media=media)


def test_media_must_be_opened(load: Load) -> None:
    model = load("tiny")
    picture = Conversation((user_message("x", images=(WIDE,)),))
    prompt = hooks.render_prompt(model, picture, PromptOptions())
    with pytest.raises(ConversationError, match="Picture 1 is not opened"):
        hooks.preprocess_media(model, MediaBatch(picture.media, prompt.items))
    with pytest.raises(ConversationError, match="not opened"):
        hooks.render_prompt(model, Conversation((user_message("x", videos=([WIDE],)),)), PromptOptions())


def test_the_frames_of_two_clips_stay_apart(load: Load) -> None:
    shades = [[np.full((112, 112, 3), shade, np.uint8) for shade in clip] for clip in ((10, 20), (30, 40, 50))]
    parts = (VideoPart(shades[0]), ImagePart(WIDE), VideoPart(shades[1]), TextPart("x"))
    _, media = prepared(load("tiny"), Conversation((Message("user", parts),)))
    assert [int(item.pixels[0, 0, 0, 0]) for item in media] == [10, 20, 0, 30, 40, 50]
    assert [len(item.pixels) for item in media] == [1, 1, 3, 1, 1, 1]


def test_options_of_a_picture_win_over_those_of_the_request(load: Load) -> None:
    parts = (ImagePart(WIDE), ImagePart(WIDE, {"max_num": 1}), ImagePart(WIDE, {"use_thumbnail": True}), TextPart("x"))
    _, media = prepared(load("tiny"), Conversation((Message("user", parts),)), media={"use_thumbnail": False})
    assert [len(item.pixels) for item in media] == [2, 1, 3]


@pytest.mark.parametrize(
    ("changes", "tiles"),
    [
        ({}, 3),
        ({"use_thumbnail": None}, 2),
        ({"dynamic_image_size": None}, 1),
        ({"max_dynamic_patch": 1}, 1),
        ({"min_dynamic_patch": 8, "max_dynamic_patch": 8}, 9),
    ],
)
def test_defaults_come_from_the_checkpoint(load: Load, changes: dict[str, Any], tiles: int) -> None:
    _, media = prepared(load("tiny", **changes), Conversation((user_message("x", images=(WIDE,)),)))
    assert len(media[0].pixels) == tiles
    assert media[0].tokens == tiles * 16


def test_rendering_needs_neither_torch_nor_transformers() -> None:
    heavy = "torch, transformers, lmdeploy, sentencepiece"
    code = f"import sys, vlmplug_internvl2.hooks; sys.exit(any(n in sys.modules for n in '{heavy}'.split(', ')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
