"""The flags of ``swift infer``: each is taken, does nothing and says so, or is refused with a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from vlmplug.cli.commands import program_parser
from vlmplug.cli.swift_flags import IDLE, REFUSED, TAKEN, swift_remarks
from vlmplug.errors import OptionError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "infer.md"
#: Fields of InferArguments in ms-swift 2.6.1, with those that its earlier versions had.
SWIFT = re.findall(
    r"\w+",
    """
    model_type model_id_or_path model_revision sft_type template_type infer_backend ckpt_dir result_dir
    load_args_from_ckpt_dir load_dataset_config eval_human seed dtype model_kwargs dataset val_dataset dataset_seed
    dataset_test_ratio show_dataset_sample save_result system tools_prompt max_length truncation_strategy
    check_dataset_strategy model_name model_author quant_method quantization_bit hqq_axis hqq_dynamic_config_path
    bnb_4bit_comp_dtype bnb_4bit_quant_type bnb_4bit_use_double_quant bnb_4bit_quant_storage max_new_tokens do_sample
    temperature top_k top_p repetition_penalty num_beams stop_words rope_scaling use_flash_attn ignore_args_error stream
    merge_lora merge_device_map save_safetensors overwrite_generation_config verbose local_repo_path
    custom_register_path custom_dataset_info device_map_config device_max_memory hub_token gpu_memory_utilization
    tensor_parallel_size max_num_seqs max_model_len disable_custom_all_reduce enforce_eager limit_mm_per_prompt
    vllm_enable_lora vllm_max_lora_rank lora_modules max_logprobs tp cache_max_entry_count quant_policy
    vision_batch_size self_cognition_sample train_dataset_sample val_dataset_sample safe_serialization model_cache_dir
    merge_lora_and_save custom_train_dataset_path custom_val_dataset_path vllm_lora_modules device_map_config_path
""",
)


def remarks(*flags: str) -> list[str]:
    return list(swift_remarks(program_parser().parse_args(["infer", "question", *flags])))


@pytest.mark.parametrize("name", SWIFT)
def test_every_flag_of_swift_is_known_and_on_the_page(name: str) -> None:
    flag = f"--{name.replace('_', '-')}"
    assert sum(flag in table for table in (TAKEN, IDLE, REFUSED)) == 1
    assert f"`{flag}`" in PAGE.read_text("utf-8")


def test_what_is_taken_is_a_flag_of_infer(run: Run) -> None:
    shown = set(re.findall(r"--[a-z][a-z-]*", run("infer", "--help").out))
    assert set(TAKEN) <= shown
    assert shown.isdisjoint({*IDLE, *REFUSED})


@pytest.mark.parametrize("flag", IDLE)
def test_a_flag_without_meaning_says_so_in_one_line(flag: str) -> None:
    (told,) = remarks(flag, "something")
    assert told == f"{flag} changes nothing: {IDLE[flag].why}"
    assert [line for quiet in IDLE[flag].quiet for line in remarks(f"{flag}={quiet}")] == []


@pytest.mark.parametrize("flag", REFUSED)
def test_a_flag_that_cannot_be_followed_is_an_error(flag: str) -> None:
    with pytest.raises(OptionError, match=flag):
        remarks(flag, "something")
    assert [line for quiet in REFUSED[flag].quiet for line in remarks(f"{flag}={quiet}")] == []


def test_flags_of_old_command_lines_in_their_spelling(run: Run) -> None:
    line = ("--infer_backend", "lmdeploy", "--template_type", "AUTO", "--truncation_strategy", "delete")
    assert remarks(*(word.replace("_", "-") for word in line)) == []
    ran = run("infer", "--merge_lora", "--model_type", "internvl2-tiny")
    assert (ran.code, ran.err.splitlines()[0]) == (1, "error: --merge-lora true: LoRA weights are not read.")
