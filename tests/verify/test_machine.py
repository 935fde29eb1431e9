"""What a record says about the machine."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

import pytest

from vlmplug.verify.machine import library_versions, machine_name, processor_name, resolved_device


def test_versions_of_what_is_installed() -> None:
    versions = library_versions("vlmplug-internvl2")
    assert versions["python"] == platform.python_version()
    assert versions["vlmplug-internvl2"] == metadata.version("vlmplug-internvl2")
    assert library_versions(None).keys() == versions.keys() - {"vlmplug-internvl2"}
    assert "no-such-distribution" not in library_versions("no-such-distribution")


def test_a_machine_has_a_name() -> None:
    assert processor_name()
    assert machine_name("cpu") == processor_name()


@pytest.mark.parametrize(("asked", "found"), [("cpu", "cpu"), ("cuda", "cuda"), ("auto", "cpu")])
def test_devices_where_there_is_no_torch(asked: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert resolved_device(asked) == found
    assert machine_name(found) == processor_name()
