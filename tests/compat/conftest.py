"""The embedded model behind the ms-swift calls, loaded once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from vlmplug.compat.swift import LmdeployEngine, Template, get_lmdeploy_engine, get_template
from vlmplug.compat.swift.catalogue import CATALOGUE
from vlmplug.compat.swift.tokenizer import HfTokenizer
from vlmplug.pipeline import open_preparer

ROOT = Path(__file__).resolve().parents[2]
SHAPES, BEFORE, AFTER, CLIP = (
    str(ROOT / "examples" / name) for name in ("shapes.png", "pair_before.png", "pair_after.png", "clip.mp4")
)
#: The checkpoint of the embedded model, as if it were somebody's own.
CHECKPOINT = str(ROOT / "plugins/tiny/vlmplug_tiny/checkpoint")


@pytest.fixture(scope="session")
def engine() -> Iterator[LmdeployEngine]:
    torch.set_num_threads(1)
    with get_lmdeploy_engine("internvl2-tiny", engine_kwargs={"device_type": "cpu"}) as made:
        made.generation_config.max_new_tokens = 64
        yield made


@pytest.fixture
def template(engine: LmdeployEngine) -> Template:
    return get_template("internvl2", engine.hf_tokenizer)


@pytest.fixture(scope="session")
def tokenizer() -> HfTokenizer:
    """The tokenizer of the embedded model, without an engine."""
    return HfTokenizer(open_preparer("internvl2-tiny"), True)


@pytest.fixture(autouse=True)
def nothing_registered() -> Iterator[None]:
    """What a test registers is forgotten."""
    yield
    for name in list(CATALOGUE.models):
        CATALOGUE.remove_model(name)
    for name in list(CATALOGUE.templates):
        CATALOGUE.remove_template(name)
