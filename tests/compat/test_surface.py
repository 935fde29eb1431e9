"""The names that scripts import, and their signatures, as ms-swift 2.6 had them."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from vlmplug.compat import swift

EMPTY = inspect.Parameter.empty
#: By function, its parameters in order with their defaults; those behind ``*`` are named only.
SIGNATURES = {
    "get_lmdeploy_engine": {
        "model_type": EMPTY,
        "*": None,
        "model_id_or_path": None,
        "revision": None,
        "tp": 1,
        "cache_max_entry_count": 0.8,
        "quant_policy": 0,
        "vision_batch_size": 1,
        "engine_kwargs": None,
        "kwargs": EMPTY,
    },
    "inference_stream_lmdeploy": {
        "lmdeploy_engine": EMPTY,
        "template": EMPTY,
        "request_list": EMPTY,
        "*": None,
        "generation_config": None,
        "generation_info": None,
        "use_tqdm": False,
        "kwargs": EMPTY,
    },
    "inference_lmdeploy": {
        "lmdeploy_engine": EMPTY,
        "template": EMPTY,
        "request_list": EMPTY,
        "*": None,
        "generation_config": None,
        "generation_info": None,
        "max_batch_size": None,
        "use_tqdm": False,
        "verbose": False,
        "prompt_prefix": "[PROMPT]",
        "output_prefix": "[OUTPUT]",
        "kwargs": EMPTY,
    },
    "prepare_lmdeploy_engine_template": {"args": EMPTY},
    "get_default_template_type": {"model_type": EMPTY},
    "get_template": {
        "template_type": EMPTY,
        "tokenizer": EMPTY,
        "default_system": None,
        "max_length": None,
        "truncation_strategy": "delete",
        "model": None,
        "kwargs": EMPTY,
    },
    "register_model": {
        "model_type": EMPTY,
        "model_id_or_path": EMPTY,
        "lora_target_modules": None,
        "template": "default",
        "get_function": None,
        "*": None,
        "requires": None,
        "torch_dtype": None,
        "hf_model_id": None,
        "revision": None,
        "ignore_file_pattern": None,
        "function_kwargs": None,
        "exist_ok": False,
        "eos_token": None,
        "kwargs": EMPTY,
    },
    "register_template": {"template_type": EMPTY, "template": EMPTY, "*": None, "exist_ok": False, "kwargs": EMPTY},
    "Template": {
        "prefix": EMPTY,
        "prompt": EMPTY,
        "chat_sep": EMPTY,
        "suffix": EMPTY,
        "default_system": None,
        "system_prefix": None,
        "auto_add_bos": False,
        "tools_prompt": "react_en",
        "tool_prompt": None,
        "padding_side": "right",
    },
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name: str) -> None:
    parameters = inspect.signature(getattr(swift, name)).parameters.values()
    found = {parameter.name: parameter.default for parameter in parameters}
    named_only = [parameter.name for parameter in parameters if parameter.kind is inspect.Parameter.KEYWORD_ONLY]
    expected = list(SIGNATURES[name])
    behind = expected[expected.index("*") + 1 :] if "*" in expected else []
    assert found == {key: default for key, default in SIGNATURES[name].items() if key != "*"}
    assert named_only == [key for key in behind if key != "kwargs"]


def test_fields_of_the_generation_config() -> None:
    """Swift's, but for one default: it cut every answer after 64 tokens."""
    defaults = {entry.name: entry.default for entry in fields(swift.LmdeployGenerationConfig)}
    assert defaults == {
        "max_new_tokens": 2048,
        "temperature": 1.0,
        "top_k": 50,
        "top_p": 1.0,
        "repetition_penalty": 1.0,
        "n": 1,
        "stop_words": None,
        "logprobs": None,
        "random_seed": None,
        "skip_special_tokens": False,
        "do_sample": True,
        "ignore_eos": False,
    }


@pytest.mark.parametrize("name", swift.__all__)
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(swift, name)
    assert value.__doc__
    assert name in dir(swift)


def test_type_checkers_see_the_same_names_as_python() -> None:
    tree = ast.parse(Path(str(swift.__file__)).read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module != "__future__"]
    typed = {
        (node.module or "").removeprefix("vlmplug.compat.swift."): tuple(name.name for name in node.names)
        for node in imports
        if node.module != "vlmplug.public_names"
    }
    assert typed == swift._HOMES
    assert sorted(name for names in typed.values() for name in names) == sorted(swift.__all__)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'get_vllm_engine'"):
        swift.get_vllm_engine  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_functions_needs_no_torch() -> None:
    """A script imports them before it sets CUDA_VISIBLE_DEVICES, or does not at all."""
    names = ", ".join(swift.__all__)
    program = f"import sys; from vlmplug.compat.swift import {names}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
