"""What the hooks say about a checkpoint, and how they refuse what they cannot serve."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugins.xcomposer2_5.tests.conftest import TYPE, Load
from vlmplug.conversation import Conversation, PromptOptions, user_message
from vlmplug.errors import CheckpointMismatchError, ContextLengthError, ConversationError
from vlmplug.import_path import load as load_path
from vlmplug.model import EngineInput, FamilyModel, LowRank, MediaBatch
from vlmplug_xcomposer2_5 import hooks

SMALL, WIDE = np.zeros((100, 200, 3), np.uint8), np.zeros((600, 1600, 3), np.uint8)


def injected(model: FamilyModel, conversation: Conversation, **options: Any) -> EngineInput:
    opened = conversation.opened()
    prompt = hooks.render_prompt(opened, PromptOptions(**options))
    inputs = hooks.preprocess_media(model, MediaBatch(opened.media, prompt.items))
    return hooks.inject_vision_tokens(model, prompt, inputs)


def test_a_checkpoint(load: Load) -> None:
    model = load()
    assert (model.stop_ids, model.placeholder_id) == ((702, 2), 0)
    assert model.partial_lora == dict.fromkeys(("wqkv", "wo", "w1", "w2", "w3"), LowRank(16, 1.0))
    sampling = model.sampling.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (1.0, 0.8, 50)
    assert sampling.repetition_penalty == 1.005
    assert pickle.loads(pickle.dumps(model)).settings == model.settings


def test_the_paths_for_the_workers_can_be_imported(load: Load) -> None:
    model = load()
    tower = load_path(model.tower.builder)(json.loads(json.dumps(model.tower.config)))
    assert load_path(model.weight_route)("plora_glb_GN") == ("vision", "plora_glb_GN")
    assert dict(tower.named_parameters())["plora_glb_GN"].shape == (1, 1, 512)


def test_prompts_need_neither_torch_nor_weights(without_weights: Path) -> None:
    program = f"""
import sys
from vlmplug.pipeline import Request, open_preparer
from vlmplug.conversation import Conversation, user_message
from pathlib import Path
preparer = open_preparer({TYPE!r}, Path({str(without_weights)!r}))
import numpy as np
question = user_message("What?", images=(np.zeros((600, 600, 3), np.uint8),))
print(len(preparer.prepare(Request(Conversation((question,)))).engine_input.input_ids))
assert "torch" not in sys.modules and "safetensors" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 2061


def test_pixels_spans_and_views(load: Load) -> None:
    found = injected(load(), Conversation((user_message("What?", images=(SMALL, WIDE)),)))
    assert [media.grid for media in found.media] == [(1, 1), (3, 2)]
    assert [media.tiles for media in found.media] == [2, 7]
    assert [media.sizes for media in found.media] == [((560, 560),), ((1680, 1120),)]
    assert [span.length for span in found.spans] == [841, 2861]
    assert found.spans[1].start == found.spans[0].start + 841
    assert found.position_ids is None


def test_a_request_decides_about_the_only_picture(load: Load) -> None:
    alone = Conversation((user_message("What?", images=(WIDE,)),))
    (media,) = injected(load(), alone, media={"hd_num": 2}).media
    assert media.grid == (2, 1)


def test_a_prompt_that_the_official_code_would_cut_is_refused(load: Load) -> None:
    conversation = Conversation((user_message("What?", images=(SMALL,)),))
    count = len(injected(load(), conversation).input_ids)
    assert len(injected(load(max_length=count), conversation).input_ids) == count
    with pytest.raises(ContextLengthError, match=rf"takes {count} tokens \(841 of them media\).* behind {count - 1}"):
        injected(load(max_length=count - 1), conversation)


def test_media_have_to_be_open(load: Load) -> None:
    conversation = Conversation((user_message("What?", images=("cat.png",)),))
    prompt = hooks.render_prompt(conversation, PromptOptions())
    with pytest.raises(ConversationError, match="not opened"):
        hooks.preprocess_media(load(), MediaBatch(conversation.media, prompt.items))


def test_another_tower_is_refused(load: Load, without_weights: Path) -> None:
    from safetensors.numpy import save_file

    name = "vit.vision_tower.vision_model.embeddings.position_embedding.weight"
    save_file({name: np.zeros((577, 1024), np.float16)}, without_weights / "model.safetensors")
    with pytest.raises(CheckpointMismatchError, match="577 positions"):
        load(without_weights)
