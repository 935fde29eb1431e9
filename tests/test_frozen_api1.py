"""A plugin written for API 1 and never changed since: it runs as it is, with the results that it had then.

A failure here means that the host has broken the API. Mend the host, not the plugin and not the expected values; see
docs/hooks.md for what may change and how.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlmplug.checkpoint import open_source
from vlmplug.conversation import (
    Conversation,
    ImagePart,
    Message,
    PromptOptions,
    TextPart,
    VideoPart,
    assistant_message,
    user_message,
)
from vlmplug.discovery import RegistrySources
from vlmplug.errors import MediaError, OptionError
from vlmplug.host import PluginHost
from vlmplug.media import Picture, open_clip
from vlmplug.model import EngineInput, FamilyModel, MediaBatch, MediaInput, MediaSpan
from vlmplug.prompt import RenderedPrompt
from vlmplug.registry import load_registry
from vlmplug.sampling import SamplingDefaults

FROZEN = Path(__file__).parent / "frozen_api1"

#: SHA-256 of every file of the plugin: nobody edits it.
FILES = {
    "__init__.py": "66a2df921ba61e481a7fc27fa05bbbf5f0c6b832d7ddb8a368181e6889b86bf6",
    "checkpoint/config.json": "352ab363914777b0e51a15c77a45dcf7fef85e655044cb84f21c6adf15323782",
    "checkpoint/generation_config.json": "5555c5fc1e2bfaa06755c26a7fe567123b6cc9d05d387410c92ac35b702de8ad",
    "checkpoint/tokenizer.json": "007bee8fa8364b8a7f590e8b9188c0e2b5d488238ba263b0adabbe12bd3836e5",
    "checkpoint/tokenizer_config.json": "b2de0a531ba14c4b6dd385b4c477be947f0792b5691cf161e22d2cdfd7f84c2d",
    "hooks.py": "47b63b1d2e0d602d4fab98ad818eb32d8928a0d21c149a023ac03b2f327bdad6",
    "manifest.yaml": "9fb1afbed0456b6f3a85bb93139d61a412a51e135cc9eabfefab370e2cd50d63",
    "tower.py": "a5e0cb1c455345e9adc5d5ff06a1edbe9db17343414f0fef8dc2ab6c1a6dcf43",
}

PICTURE = Picture(Image.linear_gradient("L").resize((32, 16)).convert("RGB"))
CLIP = open_clip([np.full((16, 16, 3), 30 * shade, np.uint8) for shade in range(6)], "clip")
ASKED = Conversation(
    (
        user_message("First <image>, a secret.", (PICTURE,)),
        assistant_message("Seen.", (83, 101)),
        Message("user", (ImagePart(PICTURE, {"max_tiles": 1}), VideoPart(CLIP), TextPart("And <video>?"))),
    )
)
OPTIONS = PromptOptions("beside", media={"frames": 3})


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PluginHost:
    monkeypatch.syspath_prepend(str(FROZEN))
    file = tmp_path / "registry.yaml"
    file.write_text("registry: 1\nplugins: {mosaic-v1: {package: mosaic_v1}}\n")
    return PluginHost(load_registry(RegistrySources(None, False, None, (file,), strict=True)))


@pytest.fixture
def model(host: PluginHost) -> FamilyModel:
    return host.load_model(open_source(host.registry, "mosaic-frozen", None))


@pytest.fixture
def prompt(host: PluginHost, model: FamilyModel) -> RenderedPrompt:
    return host.render_prompt(model, ASKED.opened(), OPTIONS)


@pytest.fixture
def inputs(host: PluginHost, model: FamilyModel, prompt: RenderedPrompt) -> tuple[MediaInput, ...]:
    return host.preprocess_media(model, MediaBatch(ASKED.media, prompt.items))


@pytest.fixture
def found(host: PluginHost, model: FamilyModel, prompt: RenderedPrompt, inputs: tuple[MediaInput, ...]) -> EngineInput:
    return host.inject_vision_tokens(model, prompt, inputs)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_nobody_has_edited_the_plugin() -> None:
    package = FROZEN / "mosaic_v1"
    files = [file for file in package.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    found = {file.relative_to(package).as_posix(): file.read_bytes().replace(b"\r\n", b"\n") for file in files}
    assert {name: digest(data) for name, data in found.items()} == FILES


def test_its_manifest(host: PluginHost) -> None:
    registry = host.registry
    entry, family = registry.model_type("mosaic-frozen"), registry.family("mosaic-v1")
    assert (entry.name, entry.modalities, entry.limits.images) == ("mosaic-v1-tiny", ("text", "image", "video"), 8)
    assert entry.hub.huggingface == entry.hub.modelscope == "vlmplug/mosaic-v1-tiny"
    assert entry.shape is not None
    assert entry.shape.config == {"text_config": {"hidden_size": 16, "num_hidden_layers": 1}}
    assert {name: option.expected for name, option in family.media_options.items()} == {
        "max_tiles": "a whole number from 1 to 12",
        "frames": "a whole number from 1 to 64",
        "bounds": "a pair of numbers, start and end, of at least 0",
        "thumbnail": "true or false",
        "order": "one of rows, reversed",
        "gain": "a number from 0.5 to 2",
    }


def test_load_model(model: FamilyModel) -> None:
    assert (model.stop_ids, model.placeholder_id, model.context_length) == ((257, 257), 260, 512)
    assert model.sampling == SamplingDefaults(temperature=0.7, top_p=0.9, do_sample=True)
    assert (model.settings.max_tiles, model.settings.default_system) == (4, "Look closely.")


def test_render_prompt_and_its_wrapper(prompt: RenderedPrompt) -> None:
    assert prompt.text("#") == (
        "<|begin|>system\nLook closely.<|end|>\n"
        "<|begin|>user\nFirst #, a ******.<|end|>\n"
        "<|begin|>assistant\nSeen.<|end|>\n"
        "<|begin|>user\n#\nAnd ###?<|end|>\n"
        "<|begin|>assistant\n"
    )
    assert [(item.part, item.frame) for item in prompt.items] == [(0, None), (1, None), (2, 0), (2, 2), (2, 3)]


def test_preprocess_media(inputs: tuple[MediaInput, ...]) -> None:
    shapes = [(media.pixels.shape[0], media.tokens, media.grid, int(media.pixels.sum())) for media in inputs]
    assert shapes == [
        (3, 12, (2, 1), 73656),
        (1, 4, (1, 1), 24552),
        (1, 4, (1, 1), 0),
        (1, 4, (1, 1), 11520),
        (1, 4, (1, 1), 17280),
    ]


def test_inject_vision_tokens(found: EngineInput) -> None:
    assert digest(repr(found.input_ids).encode()) == "246a5ea9a94af2618bd67443eccd974b1be046e39bb87733c52b5cb84501cc86"
    assert found.spans == (
        MediaSpan(0, 36, 12),
        MediaSpan(1, 84, 4),
        MediaSpan(2, 95, 4),
        MediaSpan(3, 101, 4),
        MediaSpan(4, 107, 4),
    )
    assert found.position_ids == tuple(range(len(found.input_ids)))
    assert (len(found.input_ids), found.media_tokens) == (126, 28)


def test_special_tokens_in_texts(host: PluginHost, model: FamilyModel) -> None:
    asked = Conversation((user_message("<|tile|>"),))
    lengths = []
    for parsed in (False, True):
        prompt = host.render_prompt(model, asked, PromptOptions(parse_special_tokens=parsed))
        lengths.append(host.inject_vision_tokens(model, prompt, ()).input_ids.count(260))
    assert lengths == [0, 1]


def test_its_wrapper_around_an_error(host: PluginHost, model: FamilyModel) -> None:
    thin = Conversation((user_message("<image>", (Picture(Image.new("RGB", (1, 9))),)),))
    prompt = host.render_prompt(model, thin, PromptOptions())
    with pytest.raises(MediaError, match=r"Of 1 items: a picture is one pixel wide\. Give wider"):
        host.preprocess_media(model, MediaBatch(thin.media, prompt.items))


def test_its_media_options_are_checked(host: PluginHost, model: FamilyModel) -> None:
    with pytest.raises(OptionError, match=r"max_tiles is 13\. Give a whole number from 1 to 12"):
        host.render_prompt(model, ASKED, PromptOptions(media={"max_tiles": 13}))


def test_weights_and_tower(model: FamilyModel) -> None:
    torch = pytest.importorskip("torch")
    from vlmplug.import_path import load

    route = load(model.weight_route)
    assert [route(name) for name in ("tower.projector.bias", "model.norm.weight", "rotary.inv")] == [
        ("vision", "projector.bias"),
        ("language", "model.norm.weight"),
        ("unused", "rotary.inv"),
    ]
    tower = load(model.tower.builder)(model.tower.config)
    assert tower(torch.zeros(2, 8, 8, 3, dtype=torch.uint8)).shape == (2, 4, 16)
