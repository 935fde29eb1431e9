"""What holds for all tests, those of the plugins too."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# How long an example takes says more about the machine and its other work than about the code.
settings.register_profile("vlmplug", deadline=None)
settings.load_profile("vlmplug")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Programs that tests start can be interrupted, also where the tests themselves run in the background of a shell,
    which has its programs ignore interrupts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
