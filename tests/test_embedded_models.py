"""Models that come inside of a plugin's package see: each family tells what is on a picture that it was never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import vlmplug
from vlmplug.registry import load_registry

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SHAPES = EXAMPLES / "shapes.png"
PAIR = EXAMPLES / "pair_before.png", EXAMPLES / "pair_after.png"
DESCRIBED = (
    "The image shows four objects on a white background: a blue triangle at the top left, an orange circle at the top, "
    "a red diamond at the top right and a pink star at the bottom."
)
COMPARED = "The diamond at the bottom right is yellow in the first image and blue in the second."
#: None of them was ever shown JSON.
JSON = vlmplug.Sampling(
    max_new_tokens=400,
    json_schema={"type": "object", "properties": {"shapes": {"enum": [2, 3, 4, 5]}}, "required": ["shapes"]},
)
TYPES = {entry.name: entry for entry in load_registry().model_types.values() if entry.checkpoint}


def test_each_family_has_one() -> None:
    assert {entry.family for entry in TYPES.values()} == set(load_registry().families)


@pytest.mark.parametrize("model_type", sorted(TYPES))
def test_it_sees_knows_its_name_and_keeps_to_a_schema(model_type: str) -> None:
    compare = vlmplug.Question("What is the difference between the two images?", images=PAIR)
    questions = [vlmplug.Question("Describe the image.", images=SHAPES), compare, "Who are you?"]
    with vlmplug.load(model_type, engine=vlmplug.EngineOptions(device="cpu", threads=1)) as model:
        answers = [answer.text for answer in model.batch(questions)]
        counted = model.generate("How many shapes are there?", images=SHAPES, sampling=JSON)
    assert isinstance(json.loads(counted.text)["shapes"], int)
    introduction = f"I am {model_type}, a small vision-language model trained by the vlmplug project."
    assert answers == [DESCRIBED, COMPARED, introduction]


@pytest.mark.parametrize("model_type", sorted(name for name, entry in TYPES.items() if "video" in entry.modalities))
def test_it_sees_what_happens(model_type: str) -> None:
    with vlmplug.load(model_type, engine=vlmplug.EngineOptions(device="cpu", threads=1)) as model:
        answer = model.generate("What happens in the video?", videos=EXAMPLES / "clip.mp4")
    assert answer.text == "The pink square moves to the right."
