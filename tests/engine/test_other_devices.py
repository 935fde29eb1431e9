"""What no CPU shows: that nothing stays behind where the model is on another device, and nothing waits for that one.

PyTorch's fake tensors have a device and a shape and no values: an operation on two devices fails as on a GPU, and so
does whatever would need a value in main memory, which a CUDA graph cannot have either.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import Module

from vlmplug.conversation import Conversation, PromptOptions, user_message
from vlmplug.engine.length_scaling import LengtheningRotary, RotateAndLengthen
from vlmplug.engine.rope import LEVEL_SHIFT, LevelledRotary
from vlmplug.engine.tower import _allocated
from vlmplug.engine.tower_rows import TowerItem, item_rows
from vlmplug.import_path import load
from vlmplug.model import MediaInput
from vlmplug.parts.navit import flat_positions, grid_positions
from vlmplug.pipeline import Preparer, Request, open_preparer
from vlmplug.registry import load_registry
from vlmplug.shape_folder import shape_folder

SETS = Path(__file__).parents[1] / "golden"
TOKENIZERS = {
    "internvl2-2b": "internvl2/tiny",
    "glm4v-9b-chat": "glm4v/tiny",
    "deepseek-vl-1_3b-chat": "deepseek_vl/tiny_1_3b",
    "deepseek-vl-7b-chat": "deepseek_vl/tiny_7b",
    "minicpm-v-v2_5-chat": "minicpm_v/tiny_2_5",
    "minicpm-v-v2_6-chat": "minicpm_v/tiny_2_6",
    "qwen-vl-chat": "qwen_vl/tiny",
    "internlm-xcomposer2_5-7b-chat": "xcomposer2_5/tiny",
}
SIZES = ((1280, 720), (640, 480))
GPU = torch.device("cuda")


@pytest.fixture
def elsewhere() -> Iterator[None]:
    with FakeTensorMode(), torch.inference_mode():
        yield


@pytest.fixture(autouse=True)
def no_positions_are_kept() -> Iterator[None]:
    """Real ones would meet fake tensors here, and fake ones real tensors elsewhere."""
    kept = (grid_positions, flat_positions)
    for rule in kept:
        rule.cache_clear()
    yield
    for rule in kept:
        rule.cache_clear()


def media(preparer: Preparer) -> list[MediaInput]:
    """Pictures as the hooks prepare them."""
    pictures = [np.zeros((height, width, 3), np.uint8) for width, height in SIZES]
    asked = [Conversation((user_message("?", (one,)),)) for one in pictures]
    requests = [Request(one, PromptOptions(placement="beside")) for one in asked]
    return [item for request in requests for item in preparer.prepare(request).engine_input.media]


@pytest.mark.parametrize("model_type", TOKENIZERS)
def test_a_tower_of_true_size(model_type: str) -> None:
    registry = load_registry()
    with shape_folder(registry, model_type, SETS / TOKENIZERS[model_type]) as folder:
        preparer = open_preparer(model_type, folder, registry)
        model, inputs = preparer.model, media(preparer)
    with torch.device("meta"):
        bare: Module = load(model.tower.builder)(model.tower.config)
    bare = bare.to(getattr(torch, model.dtype))
    with FakeTensorMode(), torch.inference_mode():
        items = [TowerItem([pixels(group.shape) for group in item.groups], item.grid) for item in inputs]
        rows = item_rows(_allocated(bare, GPU).eval(), items, 32)
    hidden = model.text_config["hidden_size"]
    assert [(*own.shape, own.device.type) for own in rows] == [(item.tokens, hidden, "cuda") for item in inputs]


def pixels(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.empty(shape, dtype=torch.uint8, device=GPU)


class Unrotated(Module):
    def forward(self, query: Any, key: Any, cos: Any, sin: Any, inplace: bool = True) -> tuple[Any, Any]:
        return query, key


def test_rotary_tables_and_queries_by_level(elsewhere: None) -> None:
    positions = torch.zeros((1, 16), dtype=torch.int64, device=GPU) + (1 << LEVEL_SHIFT)
    hidden = torch.empty((1, 16, 64), dtype=torch.bfloat16, device=GPU)
    for rotary in (LevelledRotary(torch.ones(2, 8, device=GPU)), LengtheningRotary(torch.ones(2, 8, device=GPU), 2048)):
        tables = rotary(hidden, positions)
        assert [(table.shape, table.dtype, table.device.type) for table in tables] == [
            ((1, 16, 16), torch.bfloat16, "cuda")
        ] * 2
    query, key = (torch.empty((16, 4, 16), dtype=torch.bfloat16, device=GPU) for _ in range(2))
    lengthened, _ = RotateAndLengthen(Unrotated(), rotary)(query, key, *(table[0] for table in tables))
    assert (lengthened.shape, lengthened.device.type) == (query.shape, "cuda")
