"""Configurations of both formats as lmdeploy, transformers 5 and the tower read them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers

from plugins.deepseek_vl.tests.conftest import Load
from vlmplug.checkpoint import shape_config
from vlmplug.config_json import read_config
from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.errors import CheckpointMismatchError
from vlmplug.registry import load_registry
from vlmplug_deepseek_vl.config import read_configuration
from vlmplug_deepseek_vl.preprocessing import Canvas, read_canvas
from vlmplug_deepseek_vl.vision import Normalisation, Vision

REGISTRY = load_registry(RegistrySources(built_in_file(), strict=True))
#: Published ones.
TYPES = [e for e in REGISTRY.model_types.values() if e.plugin == "deepseek_vl" and e.checkpoint is None]
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
Config = dict[str, Any]


def official(name: str) -> Config:
    """The configuration of a model type, as its file has it."""
    return copy.deepcopy(shape_config(REGISTRY, name))


@pytest.fixture
def partial() -> Config:
    """The 7B file as published: of its language model it says four things."""
    config = official("deepseek-vl-7b-chat")
    kept = ("model_type", "num_hidden_layers", "vocab_size", "max_position_embeddings", "torch_dtype")
    config["language_config"] = {key: config["language_config"][key] for key in kept}
    return config


@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_every_type(entry: Any) -> None:
    read = read_configuration(official(entry.name), {})
    assert read.text["architectures"] == ["LlamaForCausalLM"]
    assert read.text["tie_word_embeddings"] is False
    assert read.text["max_position_embeddings"] == entry.context_length == 16384
    assert (read.vision.tokens, read.vision.siglip.layers, read.dtype) == (576, 24, "float16")
    assert read.vision.siglip.normalisation == HALF and read.vision.input is None
    large = "7b" in entry.name
    assert read_canvas(read.vision, {}) == Canvas(
        1024 if large else 384, 14, (122, 116, 104) if large else (127, 127, 127)
    )
    if large:
        assert read.vision.sam is not None
        assert read.vision.sam.normalisation == Normalisation(CLIP_MEAN, CLIP_STD)
        assert read.vision.sam.global_layers == (2, 5, 8, 11) and read.vision.sam.downsamples == (512, 1024)
    assert Vision.from_data(json.loads(json.dumps(read.vision.to_data()))) == read.vision


@pytest.mark.parametrize("size", ["1_3b", "7b"])
def test_both_formats_say_the_same(size: str) -> None:
    one, other = (read_configuration(official(f"deepseek-vl-{size}-chat{suffix}"), {}) for suffix in ("", "-hf"))
    assert one.text == other.text
    ours, theirs = one.vision.to_data(), other.vision.to_data()
    assert (ours["siglip"].pop("layout"), theirs["siglip"].pop("layout")) == ("timm", "transformers")
    assert ours == theirs
    assert (one.route, other.route) == ("official_hybrid" if size == "7b" else "official_single", "native")


@pytest.mark.parametrize("entry", TYPES, ids=lambda entry: entry.name)
def test_transformers_takes_the_language_model_unchanged(entry: Any) -> None:
    text = read_configuration(official(entry.name), {}).text
    config = transformers.LlamaConfig(**text)
    assert {name: getattr(config, name) for name in text} == text


def test_what_the_7b_file_leaves_out_is_llamas_default(partial: Config) -> None:
    found, native = read_configuration(partial, {}).text, transformers.LlamaConfig()
    assert found == read_configuration(official("deepseek-vl-7b-chat"), {}).text
    for name in ("hidden_size", "intermediate_size", "num_attention_heads", "rms_norm_eps", "hidden_act"):
        assert found[name] == getattr(native, name)
    assert found["num_key_value_heads"] == 32 and found["rope_parameters"]["rope_theta"] == 10_000


def test_sizes_in_the_file_win_over_the_named_tower(golden: Path) -> None:
    vision = read_configuration(read_config(golden / "tiny_7b"), {}).vision
    assert vision.sam is not None
    assert (vision.siglip.width, vision.siglip.layers, vision.siglip.inner) == (64, 2, 256)
    assert (vision.sam.width, vision.sam.inner, vision.sam.neck) == (32, 128, 16)
    assert (vision.sam.global_layers, vision.sam.downsamples) == ((1, 3), (32, 64))


@pytest.mark.parametrize(("selected", "layers"), [(-1, 24), (-2, 23), (0, 24), (5, 5), (99, 24)])
def test_the_official_rule_for_select_layer(selected: int, layers: int) -> None:
    config = official("deepseek-vl-1_3b-chat")
    config["vision_config"]["params"]["select_layer"] = selected
    assert read_configuration(config, {}).vision.siglip.layers == layers


@pytest.mark.parametrize(
    ("processor", "taken", "inside"),
    [
        ({}, (), HALF),
        ({"do_normalize": True, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}, (), HALF),
        ({}, ("pixel_mean",), None),
        ({}, ("pixel_std",), None),
    ],
)
def test_who_normalises(processor: Config, taken: tuple[str, ...], inside: Normalisation | None) -> None:
    config = official("deepseek-vl-1_3b-chat")
    for key in taken:
        del config["vision_config"]["params"][key]
    vision = read_configuration(config, processor).vision
    assert vision.siglip.normalisation == inside
    assert vision.input == (Normalisation((0, 0, 0), (1, 1, 1)) if processor else None)


def test_transformers_processor_says_how_each_tower_normalises() -> None:
    given = {"image_mean": [0.1, 0.2, 0.3], "high_res_image_std": [0.4, 0.5, 0.6]}
    vision = read_configuration(official("deepseek-vl-7b-chat-hf"), given).vision
    assert vision.sam is not None and vision.siglip.normalisation is not None and vision.sam.normalisation is not None
    assert vision.siglip.normalisation.mean == (0.1, 0.2, 0.3)
    assert vision.sam.normalisation == Normalisation(CLIP_MEAN, (0.4, 0.5, 0.6))
    never = read_configuration(official("deepseek-vl-7b-chat-hf"), {"do_normalize": False}).vision
    assert never.siglip.normalisation is None


@pytest.mark.parametrize(
    ("processor", "background"), [({"image_mean": [0.1, 0.2, 0.99]}, (25, 51, 252)), ({"image_mean": None}, (127,) * 3)]
)
def test_the_background_is_the_processors_mean(processor: Config, background: tuple[int, ...]) -> None:
    vision = read_configuration(official("deepseek-vl-1_3b-chat"), processor).vision
    assert read_canvas(vision, processor).background == background


@pytest.mark.parametrize(
    ("processor", "said"),
    [
        ({"image_size": 448}, "image_size is 448, expected 384"),
        ({"rescale_factor": 1.0}, "rescale_factor"),
        ({"min_size": 0}, "min_size is 0"),
        ({"image_mean": [1, 2, 3]}, "image_mean"),
    ],
)
def test_a_processor_that_does_not_fit_the_towers(processor: Config, said: str) -> None:
    vision = read_configuration(official("deepseek-vl-1_3b-chat"), {}).vision
    with pytest.raises(CheckpointMismatchError, match=said):
        read_canvas(vision, processor)


def put(key: str, value: Any) -> Callable[[Config], None]:
    """A change of a dotted key; None takes it out."""

    def change(config: Config) -> None:
        *above, last = key.split(".")
        for name in above:
            config = config[name]
        config.pop(last, None) if value is None else config.update({last: value})

    return change


HIGH = "vision_config.params.high_res_cfg"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("gen_vision_config", {}), "Janus"),
        (put("architectures", ["LlavaForConditionalGeneration"]), "LlavaForConditionalGeneration"),
        (put("architectures", None), "none"),
        (put("language_config", None), "language_config of config.json is missing"),
        (put("aligner_config", None), "aligner_config of config.json is missing"),
        (put("vision_config.params", 3), "params of vision_config of config.json is 3"),
        (put("vision_config.cls", "HybridTower"), "cls .* 'HybridTower'.*HybridVisionTower"),
        (put("vision_config.params.concat_type", "add"), "concat_type is 'add', expected tuple"),
        (put(f"{HIGH}.model_name", "sam_b"), "model_name .* 'sam_b'"),
        (put(f"{HIGH}.global_attn_indexes", [20]), "no global layer"),
        (put(f"{HIGH}.image_size", 1000), "1000 pixels into patches of 16"),
        (put(f"{HIGH}.heads", 7), "768 channels and 7 heads"),
        (put(f"{HIGH}.pixel_std", [1, 0, 1]), "pixel_std .*above 0"),
        (put("vision_config.params.low_res_cfg.layers", 0), "low_res_cfg .* layers is 0"),
        (put("vision_config.params.low_res_cfg.select_layer", -30), "select_layer"),
        (put("aligner_config.params.projector_type", "mlp_gelu"), "projector_type .* 'mlp_gelu'"),
        (put("aligner_config.params.n_embed", 2048), "gives 2048 channels .* takes 4096"),
        (put("aligner_config.params.input_dim", 512), "towers give .* the aligner takes 512"),
        (put("language_config.hidden_size", "4096"), "hidden_size is '4096', expected a whole number"),
        (put("language_config.hidden_size", True), "hidden_size .* True"),
        (put("language_config.model_type", "qwen2"), "model_type .* 'qwen2'"),
        (put("language_config.num_attention_heads", 33), "multiple of num_attention_heads"),
        (put("language_config.num_key_value_heads", 5), "divisor of num_attention_heads"),
        (put("language_config.rope_scaling", {"type": "linear", "factor": 2.0}), "rope_scaling .*unscaled"),
        (put("language_config.rms_norm_eps", float("nan")), "rms_norm_eps"),
        (put("torch_dtype", "int8"), "int8"),
    ],
)
def test_what_makes_no_sense_is_named(change: Callable[[Config], None], said: str) -> None:
    config = official("deepseek-vl-7b-chat")
    change(config)
    with pytest.raises(CheckpointMismatchError, match=said):
        read_configuration(config, {})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("high_res_vision_config", None), "high_res_vision_config of config.json is missing"),
        (put("high_res_vision_config.window_size", 7), "window_size is 7, expected 14"),
        (put("vision_config.hidden_act", "relu"), "hidden_act .* 'relu'"),
        (put("text_config", None), "text_config of config.json is missing"),
    ],
)
def test_the_same_in_the_format_of_transformers(change: Callable[[Config], None], said: str) -> None:
    config = official("deepseek-vl-7b-chat-hf")
    change(config)
    with pytest.raises(CheckpointMismatchError, match=said):
        read_configuration(config, {})


def test_a_file_as_transformers_writes_it_is_read(native_hybrid: Path, native_single: Path, load: Load) -> None:
    for folder, large in ((native_hybrid, True), (native_single, False)):
        config = read_config(folder)
        assert config["model_type"] == ("deepseek_vl_hybrid" if large else "deepseek_vl")
        vision = Vision.from_data(load(folder).tower.config)
        assert (vision.sam is not None, vision.tokens, vision.siglip.activation) == (large, 576, "gelu")
