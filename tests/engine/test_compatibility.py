"""An lmdeploy of another shape gives one error that names everything that is gone."""

from __future__ import annotations

from importlib import metadata

import pytest

from vlmplug.engine import compatibility
from vlmplug.engine.compatibility import Needed, check_lmdeploy, look_up
from vlmplug.errors import EngineIncompatibleError, EngineMissingError

HERE = __name__


class Thing:
    """Stands for a class of lmdeploy."""

    def method(self, first: int, second: int) -> int:
        return first + second


THERE = [Needed(HERE, "Thing"), Needed(HERE, "Thing.method"), Needed(HERE, "Thing.method", ("first", "second"))]
GONE = {
    "no_such_module.name": Needed("no_such_module", "name"),
    f"{HERE}.absent": Needed(HERE, "absent"),
    f"{HERE}.Thing.absent": Needed(HERE, "Thing.absent"),
    f"{HERE}.Thing.method(third)": Needed(HERE, "Thing.method", ("first", "third")),
}


def test_what_is_there_is_fine() -> None:
    check_lmdeploy(THERE)
    assert look_up(THERE[1]) is Thing.method


def test_all_that_is_gone_is_named_at_once() -> None:
    with pytest.raises(EngineIncompatibleError) as caught:
        check_lmdeploy([*THERE, *GONE.values()])
    assert all(name in caught.value.problem for name in GONE)
    assert not any(f"{row}," in caught.value.problem for row in THERE)
    assert "vlmplug[engine]" in caught.value.remedy


@pytest.mark.parametrize(
    ("version", "fits"), [("0.17.9", False), ("0.18.0", True), ("0.18.7", True), ("0.19.0", False)]
)
def test_versions(version: str, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compatibility.metadata, "version", lambda name: version)
    if fits:
        check_lmdeploy([])
    else:
        with pytest.raises(EngineIncompatibleError, match=version):
            check_lmdeploy([])


def test_without_lmdeploy(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(compatibility.metadata, "version", absent)
    with pytest.raises(EngineMissingError, match="not installed"):
        check_lmdeploy([])
