"""Suggestions after a word that is not valid."""

from __future__ import annotations

import pytest

from vlmplug.nearest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("word", "valid", "said"),
    [
        ("internvl2_2b", ["internvl2-2b", "glm4v-9b-chat"], "Did you mean internvl2-2b?"),
        ("MAX_NUM", ["max_num", "min_num"], "Did you mean max_num or min_num?"),
        ("qqq", ["red", "blue"], "Valid: blue, red."),
        ("x", [], "There is none to choose from."),
        ("zzz", [f"name{n:02}" for n in range(14)], "and 2 more."),
    ],
)
def test_the_remedy_names_near_words_or_the_valid_ones(word: str, valid: list[str], said: str) -> None:
    assert said in did_you_mean(word, valid)


def test_the_nearest_comes_first() -> None:
    assert nearest("max_nam", ["max", "max_num", "maxi_num_tiles"])[0] == "max_num"
