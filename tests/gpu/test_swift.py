"""The scripts of ms-swift 2.x on GPUs: with the embedded InternVL2 and the embedded GLM-4V."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compat.conftest import BEFORE, CLIP, SHAPES
from tests.compat.scripts import BATCH_AND_STREAM, TENSOR_PARALLEL, run
from tests.compat.test_scripts import DESCRIBED, MEDIA, introduction

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]
two_gpus = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are no two GPUs")


def test_batch_and_stream(tmp_path: Path) -> None:
    printed = run(BATCH_AND_STREAM, tmp_path, "internvl2_tiny", {"IMAGE_1": SHAPES, "IMAGE_2": BEFORE, "VIDEO": CLIP})
    assert printed.responses[:2] == [DESCRIBED, introduction("internvl2-tiny")]
    assert printed.history == [["<video>Describe the video.", "The pink square moves to the right."]]


@two_gpus
@pytest.mark.parametrize(("model", "name"), [("internvl2_tiny", "internvl2-tiny"), ("glm4v_tiny", "glm4v-tiny")])
def test_tensor_parallel(model: str, name: str, tmp_path: Path) -> None:
    """The same picture inline and by its tag gives the same answer, and the second turn keeps the first as it was."""
    printed = run(TENSOR_PARALLEL, tmp_path, model, MEDIA)
    assert printed.responses[:3] == [DESCRIBED, DESCRIBED, introduction(name)]
    first = f"<img>{SHAPES}</img>Describe the image."
    assert [turn[0] for turn in printed.history] == [first, "How many sheep are there?"]
    assert printed.history[0][1] == DESCRIBED and printed.responses[3]
