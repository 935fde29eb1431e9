"""The scripts of ms-swift 2.x on GPUs: the embedded model, and GLM-4V where its plugin and its checkpoint are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compat.conftest import BEFORE, CLIP, SHAPES
from tests.compat.scripts import BATCH_AND_STREAM, TENSOR_PARALLEL, run
from tests.compat.test_scripts import DESCRIBED, MEDIA, WHO
from vlmplug.compat.swift import ModelType
from vlmplug.registry import load_registry

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]
two_gpus = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are no two GPUs")


def test_batch_and_stream(tmp_path: Path) -> None:
    printed = run(BATCH_AND_STREAM, tmp_path, "internvl2_tiny", {"IMAGE_1": SHAPES, "IMAGE_2": BEFORE, "VIDEO": CLIP})
    assert printed.responses[:2] == [DESCRIBED, WHO]
    assert printed.history == [["<video>Describe the video.", "The pink square moves to the right."]]


@two_gpus
def test_tensor_parallel(tmp_path: Path) -> None:
    printed = run(TENSOR_PARALLEL, tmp_path, "internvl2_tiny", MEDIA)
    assert printed.responses[:3] == [DESCRIBED, DESCRIBED, WHO]
    first = f"<img>{SHAPES}</img>Describe the image."
    assert [turn[0] for turn in printed.history] == [first, "How many sheep are there?"]


def _has_glm4v() -> bool:
    from vlmplug.checkpoint import hub_folder

    registry = load_registry()
    entry = registry.model_types.get(ModelType.glm4v_9b_chat)
    return entry is not None and hub_folder(entry, registry.family(entry.family)) is not None


@two_gpus
@pytest.mark.skipif(not _has_glm4v(), reason="no plugin for GLM-4V, or not its checkpoint")
def test_tensor_parallel_with_glm4v(tmp_path: Path) -> None:
    """The same picture inline and by its tag gives the same answer, and the second turn keeps the first as it was."""
    printed = run(TENSOR_PARALLEL, tmp_path, "glm4v_9b_chat", MEDIA)
    inline, tagged, _, second = printed.responses
    assert inline == tagged and second
    assert printed.history[0] == [f"<img>{SHAPES}</img>Describe the image.", inline]
