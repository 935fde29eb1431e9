"""Puts `torch.compile` off to the first call, while lmdeploy is imported.

lmdeploy decorates functions with it that few models call. To decorate one imports all of PyTorch's compiler, which took
4.7 of the 12.8 seconds of work until the first answer of a small model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial, wraps
from typing import Any

import torch

# the name is one for the process: two threads must not each put back what the other one had put there
_lock = threading.RLock()


@contextmanager
def compiled_when_called() -> Iterator[None]:
    """Around the first import of anything that imports lmdeploy; functions that are decorated here work as ever."""
    with _lock:
        compile_now = torch.compile
        torch.compile = partial(_compile_later, compile_now)
        try:
            yield
        finally:
            torch.compile = compile_now


def _compile_later(compile_now: Callable[..., Any], model: Any = None, **options: Any) -> Any:
    """As `torch.compile`, of which it takes all arguments."""
    if model is None:
        return partial(_compile_later, compile_now, **options)
    compiled = cache(partial(compile_now, model, **options))

    @wraps(model)
    def call(*args: Any, **kwargs: Any) -> Any:
        return compiled()(*args, **kwargs)

    return call
