"""``LmdeployGenerationConfig``: swift's names, and what the engine is told."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from vlmplug.compat.swift import LmdeployGenerationConfig, SwiftValueError
from vlmplug.compat.swift.generation_config import generation_config_of
from vlmplug.compat.swift.tokenizer import HfTokenizer
from vlmplug.errors import CheckpointError, OptionError
from vlmplug.sampling import Sampling


def told(tokenizer: HfTokenizer, config: LmdeployGenerationConfig, seed: int | None = None) -> Sampling:
    return config.sampling(tokenizer.preparer.model.tokenizer, seed)


def test_do_sample_turns_sampling_off_and_on_again() -> None:
    config = LmdeployGenerationConfig(temperature=0.7)
    config.do_sample = False
    assert config.temperature == 0
    config.do_sample = True
    assert config.temperature == 0.7
    assert LmdeployGenerationConfig(temperature=0.7, do_sample=False).temperature == 0


def test_a_temperature_that_is_set_later_counts() -> None:
    config = LmdeployGenerationConfig(do_sample=False)
    config.temperature = 0.3
    assert config.temperature == 0.3


def test_stop_words_and_stop_token_ids_are_one_list() -> None:
    config = LmdeployGenerationConfig()
    assert config.stop_words == config.stop_token_ids == []
    config.stop_token_ids = [7]  # type: ignore[misc]
    assert config.stop_words == [7]


def test_max_length_is_refused_as_in_swift() -> None:
    with pytest.raises(ValueError, match=r"`max_length` is not supported\. Use `max_new_tokens`"):
        LmdeployGenerationConfig().max_length = 64  # type: ignore[attr-defined]
    with pytest.raises(SwiftValueError):
        LmdeployGenerationConfig().max_length = 64  # type: ignore[attr-defined]


def test_a_misspelt_name_is_no_attribute() -> None:
    with pytest.raises(OptionError, match=r"has no 'max_new_token'\. Did you mean max_new_tokens"):
        LmdeployGenerationConfig().max_new_token = 64  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [None, 0, "yes"])
def test_do_sample_is_true_or_false(value: Any) -> None:
    with pytest.raises(OptionError, match="do_sample"):
        LmdeployGenerationConfig(do_sample=value)


def test_no_longest_answer_is_the_default_one() -> None:
    config = LmdeployGenerationConfig(max_new_tokens=None)  # type: ignore[arg-type]
    assert config.max_new_tokens == 2048


def test_copies_are_independent() -> None:
    config = LmdeployGenerationConfig(stop_words=[1], do_sample=False)
    twin = deepcopy(config)
    assert twin == config
    twin.do_sample, twin.stop_words = True, []
    assert (config.temperature, config.stop_words, twin.temperature) == (0, [1], 1)


def test_what_the_engine_is_told(tokenizer: HfTokenizer) -> None:
    config = LmdeployGenerationConfig(9, 0.5, 20, 0.9, 1.1, stop_words=[3], logprobs=2, random_seed=5, ignore_eos=True)
    assert told(tokenizer, config, 8) == Sampling(
        max_new_tokens=9,
        temperature=0.5,
        top_k=20,
        top_p=0.9,
        repetition_penalty=1.1,
        seed=5,
        stop_ids=(3,),
        logprobs=2,
        ignore_stop=True,
    )


def test_greedy_all_tokens_and_a_seed_where_there_is_none(tokenizer: HfTokenizer) -> None:
    sampling = told(tokenizer, LmdeployGenerationConfig(top_k=-1, do_sample=False), 8)
    assert (sampling.greedy, sampling.top_k, sampling.seed) == (True, 0, 8)


def test_stop_words_may_be_texts(tokenizer: HfTokenizer) -> None:
    sampling = told(tokenizer, LmdeployGenerationConfig(stop_words=["<|im_end|>", "sheep.", 4]))
    assert sampling.stop_ids == (tokenizer.convert_tokens_to_ids("<|im_end|>"), 4)
    assert sampling.stop_words == ("sheep.",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 2}, "n is 2"),
        ({"stop_words": [None]}, "stop_words holds None"),
        ({"stop_words": [""]}, "stop_words holds ''"),
        ({"stop_words": [[3]]}, r"stop_words holds \[3\]"),
        ({"temperature": -1}, "temperature is -1"),
        ({"top_p": 0}, "top_p is 0"),
        ({"top_k": -2}, "top_k is -2"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"random_seed": "a"}, "seed is 'a'"),
    ],
)
def test_values_that_mean_nothing(tokenizer: HfTokenizer, change: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        told(tokenizer, LmdeployGenerationConfig(**change))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{}", LmdeployGenerationConfig(do_sample=False)),
        ('{"eos_token_id": 3, "temperature": null}', LmdeployGenerationConfig(do_sample=False)),
        (
            '{"do_sample": true, "temperature": 0.6, "top_p": 0.8, "max_new_tokens": 512}',
            LmdeployGenerationConfig(512, 0.6, top_p=0.8),
        ),
    ],
)
def test_a_checkpoint_s_own(tmp_path: Path, content: str, expected: LmdeployGenerationConfig) -> None:
    (tmp_path / "generation_config.json").write_text(content)
    assert generation_config_of(tmp_path) == expected


def test_a_checkpoint_without_one(tmp_path: Path) -> None:
    assert generation_config_of(tmp_path) == LmdeployGenerationConfig()


def test_a_broken_one(tmp_path: Path) -> None:
    (tmp_path / "generation_config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"generation_config\.json"):
        generation_config_of(tmp_path)
