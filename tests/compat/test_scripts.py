"""The scripts that people bring along run with the import line, the media and the model changed, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.compat.conftest import BEFORE, CLIP, SHAPES
from tests.compat.scripts import BATCH_AND_STREAM, TENSOR_PARALLEL, run

MEDIA = {"IMAGE_1": SHAPES, "IMAGE_2": BEFORE, "VIDEO": CLIP}
DESCRIBED = (
    "The image shows four objects on a white background: a blue triangle at the top left, an orange circle at the top, "
    "a red diamond at the top right and a pink star at the bottom."
)


def introduction(name: str) -> str:
    """What an embedded model says about itself."""
    return f"I am {name}, a small vision-language model trained by the vlmplug project."


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(torch.cuda.is_available(), reason="tests/gpu runs them where there is a GPU"),
]


def test_batch_inline_pictures_and_a_stream_about_a_clip(tmp_path: Path) -> None:
    printed = run(BATCH_AND_STREAM, tmp_path, "internvl2_tiny", MEDIA)
    difference = "Only the second image shows a red diamond at the top right."
    assert printed.responses == [
        DESCRIBED,
        introduction("internvl2-tiny"),
        difference,
        "The pink square moves to the right.",
    ]
    assert printed.history == [["<video>Describe the video.", "The pink square moves to the right."]]
    batch, stream = printed.infos
    assert (batch["num_samples"], stream["num_samples"]) == (3, 1)
    assert batch["num_prompt_tokens"] > 200 and batch["num_generated_tokens"] > 60
    assert {"runtime", "samples/s", "tokens/s"} < set(batch)


@pytest.mark.parametrize(("model", "name"), [("internvl2_tiny", "internvl2-tiny"), ("glm4v_tiny", "glm4v-tiny")])
def test_tensor_parallel_and_a_second_turn(model: str, name: str, tmp_path: Path) -> None:
    """On the CPU two worker processes share the language model."""
    printed = run(TENSOR_PARALLEL, tmp_path, model, MEDIA)
    inline, tagged, who, second = printed.responses
    assert (inline, tagged, who) == (DESCRIBED, DESCRIBED, introduction(name))
    first = f"<img>{SHAPES}</img>Describe the image."
    assert printed.history == [[first, inline], ["How many sheep are there?", second]]
    assert second and [info["num_samples"] for info in printed.infos] == [3, 1]
