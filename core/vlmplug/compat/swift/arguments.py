"""``InferArguments``: the arguments of ``swift infer`` as a class, with swift's names and defaults."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from vlmplug.compat.swift.catalogue import CATALOGUE
from vlmplug.compat.swift.refusal import SwiftValueError, refuse_changed, shown
from vlmplug.compat.swift.template import TruncationStrategy, check_strategy
from vlmplug.compat.swift.template_types import get_default_template_type
from vlmplug.errors import CheckpointError, OptionError, UnknownModelTypeError
from vlmplug.registry import load_registry
from vlmplug.resolve import resolve

_LOG = logging.getLogger(__name__)

DTYPES = {"AUTO": "auto", "bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
_BACKENDS = ("AUTO", "lmdeploy")
_LORA_FILES = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
_MERGE = "Merge the adapters into the weights first, and name the merged folder in ckpt_dir."
_QUANTISED = "Take a checkpoint that is quantised already, or quant_policy 4 or 8 for the KV cache."
_PLUGIN = "Write a plugin (docs/plugins.md), or call register_model yourself."
_REFUSED = {
    "num_beams": (1, "The engine has no beam search."),
    "merge_lora": (False, _MERGE),
    "merge_lora_and_save": (False, _MERGE),
    "vllm_lora_modules": ([], _MERGE),
    "lora_modules": ([], _MERGE),
    "vllm_enable_lora": (False, _MERGE),
    "quantization_bit": (0, f"lmdeploy does not support bnb. {_QUANTISED}"),
    "rope_scaling": (None, "Positions are the checkpoint's own."),
    "custom_register_path": (None, _PLUGIN),
}
#: What is for data sets, training, export, or another engine.
_IDLE = (
    *("load_args_from_ckpt_dir", "load_dataset_config", "dataset", "val_dataset", "dataset_seed", "dataset_test_ratio"),
    *("show_dataset_sample", "val_dataset_sample", "save_result", "result_dir", "eval_human", "check_dataset_strategy"),
    *("custom_dataset_info", "tools_prompt", "model_name", "model_author", "quant_method", "use_flash_attn"),
    *("ignore_args_error", "merge_device_map", "save_safetensors", "overwrite_generation_config", "local_repo_path"),
    *("device_map_config", "device_max_memory", "hub_token", "gpu_memory_utilization", "tensor_parallel_size"),
    *("max_num_seqs", "max_model_len", "disable_custom_all_reduce", "enforce_eager", "vllm_max_lora_rank"),
    *("max_logprobs", "hqq_axis", "hqq_dynamic_config_path", "bnb_4bit_comp_dtype", "bnb_4bit_quant_type"),
    *("bnb_4bit_use_double_quant", "bnb_4bit_quant_storage", "self_cognition_sample", "train_dataset_sample"),
    *("safe_serialization", "model_cache_dir", "custom_train_dataset_path", "custom_val_dataset_path"),
    *("device_map_config_path",),
)


@dataclass
class InferArguments:
    """What `prepare_lmdeploy_engine_template` takes.

    Fields are swift's. Those of data sets, training and other engines are there, and change nothing (a remark is logged
    where one is set); those that would change the answers and cannot be followed are refused.

    - ``model_type``: left out it is found out from ``model_id_or_path`` or ``ckpt_dir``.
    - ``model_id_or_path``, ``ckpt_dir``: the checkpoint; ``ckpt_dir`` is a folder with complete weights.
    - ``model_kwargs``: JSON with media settings, ``'{"max_num": 6}'``.
    - ``dtype``: ``AUTO``, ``bf16``, ``fp16``, ``fp32``.
    - ``max_length``: ids of a prompt at the most; -1: as many as the engine takes.
    - ``stop_words``: texts that end an answer. ``seed``: of all answers.

    :raises OptionError: something that cannot be followed. :raises RegistryError: no such model type, or no plugin for
        it. :raises CheckpointError: ``ckpt_dir`` holds LoRA weights, or is no folder.
    """

    model_type: str | None = None
    model_id_or_path: str | None = None
    model_revision: str | None = None
    sft_type: str = "lora"
    template_type: str = "AUTO"
    infer_backend: str = "AUTO"
    ckpt_dir: str | None = None
    result_dir: str | None = None
    load_args_from_ckpt_dir: bool = True
    load_dataset_config: bool = False
    eval_human: bool | None = None
    seed: int = 42
    dtype: str = "AUTO"
    model_kwargs: str | None = None
    dataset: list[str] = field(default_factory=list)
    val_dataset: list[str] = field(default_factory=list)
    dataset_seed: int | None = None
    dataset_test_ratio: float = 0.01
    show_dataset_sample: int = -1
    save_result: bool = True
    system: str | None = None
    tools_prompt: str = "react_en"
    max_length: int = -1
    truncation_strategy: TruncationStrategy = "delete"
    check_dataset_strategy: str = "none"
    model_name: list[str | None] = field(default_factory=lambda: [None, None])
    model_author: list[str | None] = field(default_factory=lambda: [None, None])
    quant_method: str | None = None
    quantization_bit: int = 0
    max_new_tokens: int = 2048
    do_sample: bool | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None
    num_beams: int = 1
    stop_words: list[str] = field(default_factory=list)
    rope_scaling: str | None = None
    use_flash_attn: bool | None = None
    ignore_args_error: bool = False
    stream: bool = True
    merge_lora: bool = False
    merge_device_map: str | None = None
    save_safetensors: bool = True
    overwrite_generation_config: bool = False
    verbose: bool | None = None
    local_repo_path: str | None = None
    custom_register_path: str | None = None
    custom_dataset_info: str | None = None
    device_map_config: str | None = None
    device_max_memory: list[str] = field(default_factory=list)
    hub_token: str | None = None
    gpu_memory_utilization: float = 0.9
    tensor_parallel_size: int = 1
    max_num_seqs: int = 256
    max_model_len: int | None = None
    disable_custom_all_reduce: bool = True
    enforce_eager: bool = False
    vllm_enable_lora: bool = False
    vllm_max_lora_rank: int = 16
    lora_modules: list[str] = field(default_factory=list)
    max_logprobs: int = 20
    tp: int = 1
    cache_max_entry_count: float = 0.8
    quant_policy: int = 0
    vision_batch_size: int = 1
    hqq_axis: int = 0
    hqq_dynamic_config_path: str | None = None
    bnb_4bit_comp_dtype: str = "AUTO"
    bnb_4bit_quant_type: str = "nf4"
    bnb_4bit_use_double_quant: bool = True
    bnb_4bit_quant_storage: str | None = None
    self_cognition_sample: int = 0
    train_dataset_sample: int = -1
    val_dataset_sample: int | None = None
    safe_serialization: bool | None = None
    model_cache_dir: str | None = None
    merge_lora_and_save: bool | None = None
    custom_train_dataset_path: list[str] = field(default_factory=list)
    custom_val_dataset_path: list[str] = field(default_factory=list)
    vllm_lora_modules: list[str] | None = None
    device_map_config_path: str | None = None

    def __post_init__(self) -> None:
        given = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        refuse_changed("InferArguments", given, _REFUSED)
        if self.infer_backend not in _BACKENDS:
            raise OptionError(f"infer_backend is {self.infer_backend!r}.", "Everything here runs on lmdeploy's engine.")
        if self.dtype not in DTYPES:
            raise OptionError(f"dtype is {self.dtype!r}.", f"Use one of {', '.join(DTYPES)}.")
        check_strategy(self.truncation_strategy)
        _ = self.media_settings
        if self.ckpt_dir is not None:
            _check_complete(self.ckpt_dir)
        if set_idle := [name for name in _IDLE if given[name] != _default(name)]:
            _LOG.warning("InferArguments: %s: these change nothing here.", shown(set_idle))
        self.infer_backend, self.sft_type = "lmdeploy", "full"
        self.model_type = self.model_type or _named(self.ckpt_dir or self.model_id_or_path)
        if self.template_type == "AUTO":
            self.template_type = get_default_template_type(self.model_type)

    @property
    def media_settings(self) -> dict[str, Any]:
        """What ``model_kwargs`` says.

        :raises OptionError: it is no JSON object.
        """
        if not self.model_kwargs:
            return {}
        try:
            found = json.loads(self.model_kwargs)
        except json.JSONDecodeError as error:
            raise OptionError(f"model_kwargs is no JSON: {error}.", _JSON_FIX) from error
        if not isinstance(found, dict):
            raise OptionError(f"model_kwargs is {self.model_kwargs!r}.", _JSON_FIX)
        return found


_JSON_FIX = "Write '{\"max_num\": 6}'."
_FIELDS = {entry.name: entry for entry in fields(InferArguments)}


def _default(name: str) -> Any:
    entry = _FIELDS[name]
    return entry.default_factory() if callable(entry.default_factory) else entry.default


def _check_complete(folder: str) -> None:
    if not os.path.isdir(folder):
        raise CheckpointError(f"ckpt_dir: {folder} is no folder.", "Check the path.")
    if adapters := [name for name in _LORA_FILES if os.path.exists(os.path.join(folder, name))]:
        raise CheckpointError(f"{folder} holds LoRA weights ({adapters[0]}).", _MERGE)


def _named(place: str | None) -> str:
    """The model type of a folder or of a hub's repository; one that was registered for that very folder wins."""
    if place is None:
        raise SwiftValueError("Neither model_type nor model_id_or_path is given.", "Give model_type='internvl2-2b'.")
    registered = (name for name, model in CATALOGUE.models.items() if model.checkpoint == Path(place).resolve())
    if (name := next(registered, None)) is not None:
        return name
    try:
        return resolve(load_registry(), place).unique().name
    except UnknownModelTypeError as error:
        raise SwiftValueError(
            f"model_id_or_path: {place!r} is not registered.", f"Set model_type. {error.remedy}".rstrip()
        ) from error
