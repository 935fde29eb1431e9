"""``prepare_lmdeploy_engine_template``: engine and template of a checkpoint of one's own."""

from __future__ import annotations

import pytest
import torch

from tests.compat.conftest import CHECKPOINT, SHAPES
from tests.compat.test_template import internvl2
from vlmplug.compat.swift import (
    InferArguments,
    inference_lmdeploy,
    prepare_lmdeploy_engine_template,
    register_model,
    register_template,
)
from vlmplug.errors import OptionError

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="takes the CPU, as any machine without a GPU does")


def test_a_registered_checkpoint_with_a_registered_template() -> None:
    torch.set_num_threads(1)
    register_template("counting", internvl2("You count."))
    register_model("my-shapes", CHECKPOINT, template="counting", torch_dtype=torch.float32, eos_token=" four")
    arguments = InferArguments(
        ckpt_dir=CHECKPOINT,
        model_kwargs='{"max_num": 1, "video_segments": 4}',
        temperature=0.5,
        top_p=0.9,
        stop_words=["shapes"],
        max_new_tokens=32,
        max_length=200,
        truncation_strategy="truncation_left",
    )
    engine, template = prepare_lmdeploy_engine_template(arguments)
    with engine:
        config = engine.generation_config
        assert (engine.model_type, template.template_type) == ("my-shapes", "counting")
        assert (config.temperature, config.top_p, config.max_new_tokens, config.random_seed) == (0.5, 0.9, 32, 42)
        assert config.stop_words == [" four", "shapes"]
        assert engine.media_options == {"max_num": 1, "num_segments": 4}
        assert (template.default_system, template.max_length) == ("You count.", 200)
        assert (template.truncation_strategy, template.model) == ("truncation_left", engine)
        config.do_sample = False
        request = {"query": "<image>How many shapes are there?", "images": [SHAPES]}
        assert inference_lmdeploy(engine, template, [request])[0]["response"] == "There are"


def test_arguments_of_another_kind() -> None:
    with pytest.raises(OptionError, match="args is a dict"):
        prepare_lmdeploy_engine_template({"model_type": "internvl2-tiny"})  # type: ignore[arg-type]
