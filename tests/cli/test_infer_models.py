"""Models as the flags of ``infer`` want them."""

from __future__ import annotations

import pytest

from vlmplug.cli.commands import program_parser
from vlmplug.cli.infer_flags import settle_model_flags
from vlmplug.cli.infer_models import FlagModels
from vlmplug.conversation import Conversation, user_message
from vlmplug.pipeline import Request
from vlmplug.sampling import Sampling

LONG = Request(Conversation((user_message("one two three " * 40),)), sampling=Sampling(max_new_tokens=16))


def prompt_tokens(*flags: str) -> int:
    arguments = program_parser().parse_args(["infer", "question", "--model", "internvl2-tiny", *flags])
    settle_model_flags(arguments)
    return len(FlagModels(arguments).prepare().prepare(LONG).engine_input.input_ids)


@pytest.mark.parametrize("flags", [(), ("--truncation-strategy=delete",), ("--truncation-strategy=truncation_left",)])
def test_prompts_that_have_room_stay_whole(flags: tuple[str, ...]) -> None:
    assert prompt_tokens(*flags) > 120


def test_prompts_that_have_none_lose_their_beginning_where_the_flag_says_so() -> None:
    assert prompt_tokens("--max-length", "64", "--truncation-strategy", "truncation_left") == 64 - 16
    assert prompt_tokens("--max-length", "64") > 120
