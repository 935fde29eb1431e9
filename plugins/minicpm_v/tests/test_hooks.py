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

from plugins.minicpm_v.tests.conftest import Load
from vlmplug.conversation import Conversation, ImagePart, Message, PromptOptions, TextPart, VideoPart, user_message
from vlmplug.errors import CheckpointMismatchError, MediaError, OptionError, TokenizerError
from vlmplug.import_path import load as load_path
from vlmplug.model import EngineInput, FamilyModel, MediaBatch
from vlmplug.pipeline import Request, open_preparer
from vlmplug.sampling import SamplingDefaults
from vlmplug_minicpm_v import hooks

SMALL, WIDE = np.zeros((100, 200, 3), np.uint8), np.zeros((480, 640, 3), np.uint8)


def injected(model: FamilyModel, conversation: Conversation, **options: Any) -> EngineInput:
    opened = conversation.opened()
    prompt = hooks.render_prompt(model, opened, PromptOptions(**options))
    inputs = hooks.preprocess_media(model, MediaBatch(opened.media, prompt.items))
    return hooks.inject_vision_tokens(model, prompt, inputs)


@pytest.mark.parametrize(
    ("checkpoint", "stop", "placeholder", "architecture", "context"),
    [
        ("tiny_2_5", (381, 389), 382, "LlamaForCausalLM", 8192),
        ("tiny_2_6", (383, 381), 380, "Qwen2ForCausalLM", 32768),
    ],
)
def test_a_checkpoint(
    load: Load, checkpoint: str, stop: tuple[int, ...], placeholder: int, architecture: str, context: int
) -> None:
    model = load(checkpoint)
    assert (model.stop_ids, model.placeholder_id) == (stop, placeholder)
    assert model.text_config["architectures"] == [architecture]
    assert (model.context_length, model.dtype) == (context, "float32")
    assert model.sampling == SamplingDefaults()
    assert pickle.loads(pickle.dumps(model)).settings == model.settings


def test_the_paths_for_the_workers_can_be_imported(load: Load) -> None:
    model = load("tiny_2_5")
    tower = load_path(model.tower.builder)(json.loads(json.dumps(model.tower.config)))
    assert load_path(model.weight_route)("resampler.query") == ("vision", "resampler.query")
    assert dict(tower.named_parameters())["resampler.query"].shape == (96, 256)


def test_prompts_need_no_torch(golden: Path) -> None:
    program = f"""
import sys
from pathlib import Path
import numpy as np
from vlmplug.conversation import Conversation, user_message
from vlmplug.pipeline import Request, open_preparer
preparer = open_preparer("minicpm-v-v2_6-chat", Path({str(golden / "tiny_2_6")!r}))
preparer.prepare(Request(Conversation((user_message("Hi", (np.zeros((480, 640, 3), np.uint8),)),))))
assert not {{"torch", "transformers", "lmdeploy"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("checkpoint", ["tiny_2_5", "tiny_2_6"])
@pytest.mark.parametrize("parsed", [False, True])
def test_there_is_one_beginning_of_the_prompt(load: Load, checkpoint: str, parsed: bool) -> None:
    model = load(checkpoint)
    ids = injected(model, Conversation((user_message("Hi!"),)), parse_special_tokens=parsed).input_ids
    begin = model.tokenizer.special_id("<|begin_of_text|>" if checkpoint == "tiny_2_5" else "<|im_start|>")
    assert ids[0] == begin
    assert ids.count(begin) == (1 if checkpoint == "tiny_2_5" else 3)
    assert ids.count(0) == 1


def test_a_literal_placeholder_and_tags_are_text(load: Load) -> None:
    model = load("tiny_2_6")
    found = injected(model, Conversation((user_message("<unk><image></slice>", images=(SMALL,)),)))
    assert found.input_ids.count(model.placeholder_id) == found.media[0].tokens == 64
    assert "<unk><image></slice>" in model.tokenizer.decode(found.input_ids)


def test_a_parsed_placeholder_takes_no_embedding(load: Load) -> None:
    model = load("tiny_2_6")
    parts = (ImagePart(SMALL), TextPart("<unk>"))
    found = injected(model, Conversation((Message("user", parts),)), parse_special_tokens=True)
    assert found.input_ids.count(model.placeholder_id) == 65
    assert [span.length for span in found.spans] == [64]


def test_slices_share_the_rows_of_their_picture(load: Load) -> None:
    found = injected(load("tiny_2_5"), Conversation((user_message("Hi", images=(WIDE, SMALL)),)))
    assert [(span.item, span.length) for span in found.spans] == [(0, 96)] * 3 + [(1, 96)]
    assert [media.tokens for media in found.media] == [288, 96]


def test_2_5_takes_no_clips(golden: Path) -> None:
    preparer = open_preparer("minicpm-v-v2_5-chat", golden / "tiny_2_5")
    clip = Conversation((Message("user", (VideoPart([SMALL, SMALL]), TextPart("Hi"))),))
    with pytest.raises(MediaError, match="minicpm-v-v2_5-chat takes no videos"):
        preparer.prepare(Request(clip))


def test_2_5_has_no_numbers(load: Load) -> None:
    with pytest.raises(OptionError, match="picture 1: this version"):
        injected(load("tiny_2_5"), Conversation((user_message("Hi", (SMALL,)),)), media={"use_image_id": True})


def test_sampling_defaults_and_stop_ids_come_from_the_checkpoint(
    golden: Path, changed: Callable[[Path], Path], load: Load
) -> None:
    folder = changed(golden / "tiny_2_6")
    said = {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "do_sample": True, "eos_token_id": [383, 7]}
    (folder / "generation_config.json").write_text(json.dumps(said))
    model = load("tiny_2_6", folder)
    assert model.sampling == SamplingDefaults(temperature=0.7, top_p=0.8, top_k=20, do_sample=True)
    assert model.stop_ids == (383, 381, 7)


def test_a_tokenizer_of_another_checkpoint_is_refused(load: Load) -> None:
    with pytest.raises(CheckpointMismatchError, match="404 tokens, the language model 300"):
        load("tiny_2_5", vocab_size=300)


def test_missing_tokenizer_files_are_named(golden: Path, changed: Callable[[Path], Path], load: Load) -> None:
    folder = changed(golden / "tiny_2_5")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(TokenizerError, match=r"tokenizer\.json"):
        load("tiny_2_5", folder)
