"""lmdeploy's engine on the CPU gives what transformers gives: tokens, probabilities, and nobody disturbs another."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from lmdeploy.messages import ResponseType
from torch._dynamo.utils import counters

from .driver import Driver, Request
from .tiny_models import EOS, TinyModel, byte_tokenizer, prompt

Drivers = Callable[..., Driver]
Models = Callable[[str], TinyModel]

KINDS = ("llama", "qwen2", "internlm2", "mistral", "phi3")
LENGTHS = (1, 15, 16, 17, 40, 100)


@pytest.mark.parametrize("kind", KINDS)
class TestGreedyTokens:
    def test_one_by_one(self, kind: str, drivers: Drivers, tiny: Models) -> None:
        for length in LENGTHS:
            assert drivers(kind).tokens(prompt(length)) == [tiny(kind).greedy(prompt(length))]

    def test_batched(self, kind: str, drivers: Drivers, tiny: Models) -> None:
        prompts = [prompt(length, seed=1) for length in LENGTHS]
        assert drivers(kind).tokens(*prompts) == [tiny(kind).greedy(ids) for ids in prompts]

    def test_prefill_in_chunks(self, kind: str, drivers: Drivers, tiny: Models) -> None:
        prompts = [prompt(length, seed=2) for length in LENGTHS]
        assert drivers(kind, "chunked").tokens(*prompts) == [tiny(kind).greedy(ids) for ids in prompts]


@pytest.mark.parametrize("kind", ["llama", "internlm2"])
def test_equal_beginnings_are_reused_and_change_nothing(kind: str, drivers: Drivers, tiny: Models) -> None:
    driver, shared = drivers(kind, "prefix"), prompt(48)
    prompts = [shared + prompt(length, seed=3) for length in (5, 20, 60)]
    (first,) = driver.ask(Request(prompts[0]))
    others = driver.ask(*map(Request, prompts))
    assert first.cached == 0
    assert [answer.cached >= 48 for answer in others] == [True] * 3
    assert [answer.tokens for answer in [first, *others]] == [tiny(kind).greedy(ids) for ids in [prompts[0], *prompts]]


@pytest.mark.parametrize("kind", ["llama", "phi3"])
def test_eviction_and_prefill_again(kind: str, drivers: Drivers, tiny: Models) -> None:
    """Four sequences outgrow the cache: some are thrown out while decoding and start again."""
    prompts = [prompt(length, seed=4) for length in (20, 70, 80, 90)]
    found = drivers(kind, "tight").ask(*(Request(ids, 40) for ids in prompts))
    assert [answer.tokens for answer in found] == [tiny(kind).greedy(ids, 40) for ids in prompts]
    assert max(answer.scheduled for answer in found) > 1, "nobody was thrown out"


class TestSampling:
    REQUEST = Request(
        prompt(20), 16, {"do_sample": True, "temperature": 1.3, "top_k": 50, "top_p": 0.9, "random_seed": 7}
    )

    def test_a_seed_gives_the_same_tokens_alone_and_batched(self, drivers: Drivers) -> None:
        (alone,) = drivers("llama").ask(self.REQUEST)
        unlike = Request(prompt(30), 24, {"do_sample": True, "temperature": 0.7, "top_k": 0, "random_seed": 8})
        batched = drivers("llama").ask(unlike, Request(prompt(9), 12), self.REQUEST)[-1]
        assert batched.tokens == alone.tokens

    def test_another_seed_gives_other_tokens(self, drivers: Drivers) -> None:
        other = Request(self.REQUEST.ids, 16, {**self.REQUEST.config, "random_seed": 9})
        first, second = drivers("llama").ask(self.REQUEST, other)
        assert first.tokens != second.tokens

    def test_without_a_seed_answers_differ(self, drivers: Drivers) -> None:
        free = Request(prompt(20), 16, {"do_sample": True, "temperature": 2.0, "top_k": 0})
        first, second = (drivers("llama").ask(free)[0].tokens for _ in range(2))
        assert first != second

    def test_tokens_follow_the_distribution(self, drivers: Drivers, tiny: Models) -> None:
        ids, draws = prompt(20), 200
        requests = [
            Request(ids, 1, {"do_sample": True, "top_k": 3, "temperature": 1.0, "random_seed": seed})
            for seed in range(draws)
        ]
        drawn = torch.tensor([answer.tokens[0] for answer in drivers("llama").ask(*requests)])
        top = tiny("llama").logits(ids)[-1].topk(3)
        shares = torch.stack([(drawn == token).float().mean() for token in top.indices])
        assert set(drawn.tolist()) <= set(top.indices.tolist())
        torch.testing.assert_close(shares, top.values.softmax(-1), atol=0.12, rtol=0)


def test_nothing_is_compiled(drivers: Drivers) -> None:
    counters.clear()
    drivers("llama").tokens(prompt(11), prompt(40))
    assert not counters["frames"]


def test_logprobs_are_those_of_transformers(drivers: Drivers, tiny: Models) -> None:
    ids = prompt(33)
    (answer,) = drivers("llama").ask(Request(ids, 6, {"logprobs": 5, "temperature": 0.5}))
    rows = tiny("llama").logits(ids + answer.tokens)[len(ids) - 1 : -1].log_softmax(-1)
    for row, got in zip(rows, answer.logprobs, strict=True):
        assert set(got) == set(row.topk(5).indices.tolist())
        want = row[torch.tensor(list(got))]
        torch.testing.assert_close(torch.tensor(list(got.values())), want, rtol=1e-4, atol=0)


def test_answers_end_at_stop_tokens(drivers: Drivers, tiny: Models) -> None:
    ids = prompt(12)
    free = tiny("llama").greedy(ids, 12)
    stop = free[5]
    config = {"ignore_eos": False, "stop_token_ids": [stop]}
    (answer,) = drivers("llama").ask(Request(ids, 12, config))
    assert answer.tokens == free[: free.index(stop) + 1]
    assert answer.status == ResponseType.FINISH


class TestGuidedDecoding:
    SCHEMA: ClassVar = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green"]}, "count": {"type": "integer", "maximum": 9, "minimum": 0}},
        "required": ["colour", "count"],
        "additionalProperties": False,
    }

    def request(self, seed: int) -> Request:
        format_ = {"type": "json_schema", "json_schema": {"name": "answer", "schema": self.SCHEMA}}
        sampling = {"do_sample": True, "top_k": 0, "random_seed": seed, "ignore_eos": False, "stop_token_ids": [EOS]}
        return Request(prompt(10), 200, {**sampling, "response_format": format_})

    def test_json_of_the_schema_beside_free_text(self, drivers: Drivers, tiny: Models) -> None:
        free = Request(prompt(21), 30)
        *guided, beside = drivers("llama").ask(*(self.request(seed) for seed in range(4)), free)
        for answer in guided:
            found = json.loads(byte_tokenizer().decode(answer.tokens, skip_special_tokens=True))
            assert set(found) == {"colour", "count"}
            assert found["colour"] in {"red", "green"}
            assert found["count"] in range(10)
        assert beside.tokens == tiny("llama").greedy(free.ids, 30)


class TestCancelling:
    def test_a_cancelled_request_leaves_others_right(self, drivers: Drivers, tiny: Models) -> None:
        driver = drivers("llama")

        async def cancelled_after_three(session: int) -> int:
            seen = 0
            async for output in driver.stream(Request(prompt(18), 500), session):
                seen += len(output.token_ids)
                if seen == 3:
                    await driver.engine.create_instance().async_cancel(session)
                if output.status == ResponseType.CANCEL:
                    break
            return seen

        async def together() -> tuple[int, list[int]]:
            other = driver.answer(Request(prompt(25), 40))
            seen, answer = await asyncio.gather(cancelled_after_three(90_001), other)
            return seen, answer.tokens

        seen, tokens = driver.run(together())
        assert 3 <= seen < 500
        assert tokens == tiny("llama").greedy(prompt(25), 40)
        assert driver.tokens(prompt(18)) == [tiny("llama").greedy(prompt(18))]

    def test_short_decoding_steps_stay_in_the_event_loops_thread(
        self, drivers: Drivers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        driver, steps = drivers("llama"), list[tuple[bool, str]]()
        agent = driver.engine.executor.model_agent
        take = agent._step

        def noted(inputs: Any, *others: Any) -> Any:
            steps.append((inputs.is_decoding, threading.current_thread().name))
            return take(inputs, *others)

        monkeypatch.setattr(agent, "_step", noted)
        monkeypatch.setattr("vlmplug.engine.cpu.agent._SHORT_STEP", 60.0)  # however slow this machine is
        driver.tokens(prompt(20), tokens=20)
        prefill, *decoding = steps
        assert prefill == (False, "vlmplug-cpu-step")
        assert decoding[0] == (True, "vlmplug-cpu-step"), "it would hold up the first token"
        assert {thread for _, thread in decoding[1:]} == {driver._thread.name}

    def test_long_ones_do_not(self, drivers: Drivers, monkeypatch: pytest.MonkeyPatch) -> None:
        driver, threads = drivers("llama"), set[str]()
        agent = driver.engine.executor.model_agent
        take = agent._step

        def laborious(*arguments: Any) -> Any:
            threads.add(threading.current_thread().name)
            end = time.thread_time() + 0.011
            while time.thread_time() < end:
                pass
            return take(*arguments)

        monkeypatch.setattr(agent, "_step", laborious)
        driver.tokens(prompt(20), tokens=5)
        assert threads == {"vlmplug-cpu-step"}

    def test_the_event_loop_lives_during_a_prefill(self, drivers: Drivers) -> None:
        driver = drivers("llama", "plain")

        async def ticks_while_prefilling() -> int:
            answer = asyncio.ensure_future(driver.answer(Request(prompt(900), 1)))
            ticks = 0
            while not answer.done():
                await asyncio.sleep(0)
                ticks += 1
            return ticks

        assert driver.run(ticks_while_prefilling()) > 50
