"""PyTorch's compiler is imported by whoever calls a compiled function, not by whoever imports one."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest
import torch

from vlmplug.engine.late_compile import compiled_when_called


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    """What reaches the compiler, which here makes the negative of every result."""
    seen: list[tuple[Any, dict[str, Any]]] = []

    def compile_now(model: Any = None, **options: Any) -> Any:
        seen.append((model, options))
        return lambda *args, **kwargs: -model(*args, **kwargs)

    monkeypatch.setattr(torch, "compile", compile_now)
    return seen


def plus(one: int, other: int = 0) -> int:
    """A sum."""
    return one + other


def test_a_decorated_function_is_compiled_once_and_at_its_first_call(compiled: list[Any]) -> None:
    with compiled_when_called():
        later = torch.compile(dynamic=True)(plus)
    assert (later.__name__, later.__doc__, compiled) == ("plus", "A sum.", [])
    assert [later(1), later(2, other=3)] == [-1, -5]
    assert compiled == [(plus, {"dynamic": True})]


def test_so_is_one_that_is_handed_over(compiled: list[Any]) -> None:
    with compiled_when_called():
        later = torch.compile(plus, mode="default")
    assert compiled == [] and later(1) == -1 and compiled == [(plus, {"mode": "default"})]


def test_afterwards_and_after_an_error_all_is_as_before(compiled: list[Any]) -> None:
    before = torch.compile
    with pytest.raises(ImportError), compiled_when_called():
        raise ImportError
    assert torch.compile is before


def test_two_threads_leave_nothing_behind(compiled: list[Any]) -> None:
    before, inside, go = torch.compile, threading.Event(), threading.Event()

    def first() -> None:
        with compiled_when_called():
            inside.set()
            go.wait(10)

    def second() -> None:
        with compiled_when_called():
            pass

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert torch.compile is before


def test_the_compiler_compiles() -> None:
    with compiled_when_called():
        later = torch.compile(backend="eager")(plus)
    assert later(torch.ones(2), torch.ones(2)).tolist() == [2, 2]


def test_an_engine_on_the_cpu_answers_without_the_compiler() -> None:
    program = """
import sys
from vlmplug.conversation import Conversation, user_message
from vlmplug.engine.options import EngineOptions
from vlmplug.pipeline import Request, open_pipeline
with open_pipeline("internvl2-tiny", None, EngineOptions(device="cpu", threads=1)) as pipeline:
    assert pipeline.generate(Request(Conversation((user_message("Hello"),)))).text
print(sorted(name for name in ("torch._dynamo", "torch._inductor") if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
