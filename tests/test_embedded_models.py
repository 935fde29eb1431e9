"""Models that come inside of a plugin's package see: each family tells what is on a picture that it was never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

import vlmplug
from vlmplug.registry import load_registry

SHAPES = Path(__file__).resolve().parents[1] / "examples" / "shapes.png"
DESCRIBED = (
    "The image shows four objects on a white background: a blue triangle at the top left, an orange circle at the top, "
    "a red diamond at the top right and a pink star at the bottom."
)
TYPES = {entry.name: entry for entry in load_registry().model_types.values() if entry.checkpoint}


def test_each_family_has_one() -> None:
    assert {entry.family for entry in TYPES.values()} == set(load_registry().families)


@pytest.mark.parametrize("model_type", sorted(TYPES))
def test_it_sees_and_knows_its_name(model_type: str) -> None:
    questions = [vlmplug.Question("Describe the image.", images=SHAPES), "Who are you?"]
    with vlmplug.load(model_type, engine=vlmplug.EngineOptions(device="cpu", threads=1)) as model:
        answers = [answer.text.strip() for answer in model.batch(questions)]
    introduction = f"I am {model_type}, a small vision-language model trained by the vlmplug project."
    assert answers == [DESCRIBED, introduction]
