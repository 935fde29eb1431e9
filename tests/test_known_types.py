"""Model types that are known although no plugin carries them: all multimodal ones of ms-swift 2.x, with a pointer."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from vlmplug.discovery import RegistrySources, built_in_file
from vlmplug.errors import NoPluginError
from vlmplug.known_types import read_known_types
from vlmplug.model_type import KnownType
from vlmplug.registry import Registry, load_registry

#: The table of multimodal models in ms-swift 2.6.1's documentation, by family; checked against its model.py.
_SWIFT = """
cogagent-18b-chat cogagent-18b-instruct cogvlm-17b-chat cogvlm2-19b-chat cogvlm2-en-19b-chat cogvlm2-video-13b-chat
deepseek-janus-1_3b deepseek-vl-1_3b-chat deepseek-vl-7b-chat emu3-chat
florence-2-base florence-2-base-ft florence-2-large florence-2-large-ft
glm-edge-v-2b glm-edge-v-5b glm4v-9b-chat got-ocr2 idefics3-8b-llama3
internlm-xcomposer2-4khd-7b-chat internlm-xcomposer2-7b-chat internlm-xcomposer2_5-7b-chat
internvl-chat-v1_5 internvl-chat-v1_5-int8 internvl2-1b internvl2-26b internvl2-26b-awq internvl2-2b internvl2-2b-awq
internvl2-40b internvl2-40b-awq internvl2-4b internvl2-8b internvl2-8b-awq internvl2-llama3-76b internvl2-llama3-76b-awq
mini-internvl-chat-2b-v1_5 mini-internvl-chat-4b-v1_5
llama3-llava-next-8b llama3-llava-next-8b-hf llama3_1-8b-omni
llama3_2-11b-vision llama3_2-11b-vision-instruct llama3_2-90b-vision llama3_2-90b-vision-instruct
llava-llama3-8b-v1_1 llava-next-110b llava-next-110b-hf llava-next-72b llava-next-72b-hf
llava-next-video-34b-instruct llava-next-video-7b-32k-instruct llava-next-video-7b-dpo-instruct
llava-next-video-7b-instruct llava-onevision-qwen2-0_5b-ov llava-onevision-qwen2-72b-ov llava-onevision-qwen2-7b-ov
llava1_5-13b-instruct llava1_5-7b-instruct llava1_6-llama3_1-8b-instruct llava1_6-mistral-7b-instruct
llava1_6-vicuna-13b-instruct llava1_6-vicuna-7b-instruct llava1_6-yi-34b-instruct
minicpm-v-3b-chat minicpm-v-v2-chat minicpm-v-v2_5-chat minicpm-v-v2_6-chat
molmo-72b molmo-7b-d molmo-7b-o molmoe-1b
mplug-owl2-chat mplug-owl2_1-chat mplug-owl3-1b-chat mplug-owl3-2b-chat mplug-owl3-7b-chat mplug-owl3v-7b-chat
ovis1_6-gemma2-9b
paligemma-3b-mix-224 paligemma-3b-mix-448 paligemma-3b-pt-224 paligemma-3b-pt-448 paligemma-3b-pt-896
phi3-vision-128k-instruct phi3_5-vision-instruct pixtral-12b
qwen-audio qwen-audio-chat qwen-vl qwen-vl-chat qwen-vl-chat-int4 qwen2-audio-7b qwen2-audio-7b-instruct
qwen2-vl-2b qwen2-vl-2b-instruct qwen2-vl-2b-instruct-awq qwen2-vl-2b-instruct-gptq-int4 qwen2-vl-2b-instruct-gptq-int8
qwen2-vl-72b qwen2-vl-72b-instruct qwen2-vl-72b-instruct-awq qwen2-vl-72b-instruct-gptq-int4
qwen2-vl-72b-instruct-gptq-int8 qwen2-vl-7b qwen2-vl-7b-instruct qwen2-vl-7b-instruct-awq
qwen2-vl-7b-instruct-gptq-int4 qwen2-vl-7b-instruct-gptq-int8
yi-vl-34b-chat yi-vl-6b-chat
"""
SWIFT = _SWIFT.split()

KNOWN = read_known_types()
#: Plugins of this tree.
OWN = {"deepseek_vl", "glm4v", "internvl2", "minicpm_v", "qwen_vl", "tiny", "xcomposer2_5"}


@pytest.fixture(scope="module")
def tree() -> Registry:
    """The plugins of this tree, and nothing of the user's."""
    return load_registry(RegistrySources(built_in_file(), True, strict=True))


def test_there_are_as_many_as_in_ms_swift() -> None:
    assert len(set(SWIFT)) == 111


@pytest.mark.parametrize("name", SWIFT)
def test_every_multimodal_type_of_ms_swift_is_carried_or_known(tree: Registry, name: str) -> None:
    if name in tree.model_types:
        assert name not in tree.known
        return
    with pytest.raises(NoPluginError) as caught:
        tree.model_type(name)
    assert caught.value.remedy == tree.known[name].pointer


@pytest.mark.parametrize("entry", KNOWN.values(), ids=KNOWN.keys())
def test_each_has_a_family_a_place_and_a_pointer(entry: KnownType) -> None:
    assert entry.title
    assert re.match(r"ms-swift 2\.|vlmplug$", entry.source)
    for repository in filter(None, (entry.hub.huggingface, entry.hub.modelscope)):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", repository)
        assert repository == entry.hub.modelscope or f"Its checkpoint is {repository} on Hugging Face." in entry.pointer
    assert entry.pointer.endswith(".")


@pytest.mark.parametrize("name", SWIFT)
def test_each_type_of_ms_swift_names_a_repository(name: str) -> None:
    assert KNOWN[name].hub.modelscope is not None


def test_types_of_our_own_are_known_without_their_plugins(tree: Registry) -> None:
    own = {entry.name for entry in tree.model_types.values() if entry.plugin in OWN}
    assert own <= set(KNOWN)
    assert {KNOWN[name].plugin for name in own} == OWN
    for name in own:
        assert (KNOWN[name].hub.huggingface, KNOWN[name].hub.modelscope) == (
            tree.model_types[name].hub.huggingface,
            tree.model_types[name].hub.modelscope,
        )


@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        ("qwen2-vl-7b-instruct", "lmdeploy and transformers run it without a plugin."),
        ("pixtral-12b", "transformers runs it without a plugin."),
        ("internvl-chat-v1_5-int8", "Its unquantised checkpoint is the model type internvl-chat-v1_5"),
        ("qwen-audio", "vlmplug has no audio."),
        ("llava1d6-yi-34b-instruct", "ms-swift 2.1 renamed it"),
        ("molmo-7b-d", "To run it here, write a plugin"),
    ],
)
def test_pointers_say_what_else_there_is(name: str, pointer: str) -> None:
    assert pointer in KNOWN[name].pointer


def test_no_plugin_is_asked_for_what_the_engine_cannot_do() -> None:
    assert not [name for name in KNOWN if "quantised" in KNOWN[name].title and "write a plugin" in KNOWN[name].pointer]


def test_the_list_costs_nothing_where_it_is_not_needed() -> None:
    program = """
import sys
from vlmplug.registry import load_registry
registry = load_registry()
registry.model_type("internvl2-tiny")
assert "vlmplug.known_types" not in sys.modules
assert registry.known and "vlmplug.known_types" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
