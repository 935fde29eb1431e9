"""``vlmplug plugins doctor``: a row for everything that is looked at, and an exit code that says what it comes to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.plugin_maker import TOY_HOOKS, packages, toy_manifest, write_plugin, write_yaml


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def registry(folder: Path, *names: str) -> Path:
    return write_yaml(folder / "registry.yaml", {"registry": 1, "plugins": packages(*names)})


def test_a_plugin_that_works(run: Run, folder: Path) -> None:
    write_plugin(folder, "toy", toy_manifest(), TOY_HOOKS)
    ran = run("--registry", registry(folder, "toy"), "plugins", "doctor", "toy")
    header, row, _, summary = ran.out.splitlines()
    assert header.split() == ["STATUS", "CHECK", "FOUND"]
    assert row.split()[:3] == ["ok", "plugin", "toy"]
    assert summary == "All is well."
    assert ran.code == 0


def test_a_plugin_that_is_broken(run: Run, folder: Path) -> None:
    write_plugin(folder, "toy", toy_manifest(), "import there_is_no_such_library\n")
    file = registry(folder, "toy")
    ran = run("--registry", file, "plugins", "doctor", "toy")
    assert ran.code == 1
    row, fix = ran.out.splitlines()[1:3]
    assert row.startswith("problem  plugin toy")
    assert fix.strip() == "fix: Run: pip install there_is_no_such_library (or the package that holds it)."
    assert ran.out.splitlines()[-1] == "1 problem."
    document = run("--registry", file, "plugins", "doctor", "toy", "--json").json
    assert document["healthy"] is False
    assert document["counts"] == {"ok": 0, "note": 0, "warning": 0, "problem": 1}
    (check,) = document["checks"]
    assert list(check) == ["group", "check", "status", "found", "needed", "fix"]
    assert (check["group"], check["needed"]) == ("plugins", None)


def test_a_registry_file_that_cannot_be_read_is_a_row(run: Run, folder: Path) -> None:
    write_plugin(folder, "toy", toy_manifest(), TOY_HOOKS)
    broken = folder / "broken.yaml"
    broken.write_text("registry: 1\nplugin: {}\n")
    good = registry(folder, "toy")
    document = run("--registry", broken, "--registry", good, "plugins", "doctor", "toy", "--json").json
    rows = {check["check"]: check for check in document["checks"]}
    assert rows["plugin toy"]["status"] == "ok"
    assert rows["registry file"]["status"] == "problem"
    assert "broken.yaml:2" in rows["registry file"]["found"]
    assert rows["registry file"]["fix"] == "Did you mean plugins?"


def test_strict_counts_warnings_and_does_not_stop_the_doctor(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlmplug.doctor.examination._accelerators", lambda: iter(()))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9")
    ran, strict = run("plugins", "doctor"), run("--strict", "plugins", "doctor")
    assert [line.split()[0] for line in ran.out.splitlines() if "cannot be reached" in line] == ["warning"] * 2
    assert (ran.code, strict.code) == (0, 1)


def test_everything(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmplug.doctor.examination._accelerators", lambda: iter(()))
    document = run("plugins", "doctor", "--offline", "--json").json
    assert {check["group"] for check in document["checks"]} == {"environment", "plugins"}
    assert {"plugin internvl2", "plugin tiny"} <= {check["check"] for check in document["checks"]}


def test_a_plugin_that_nobody_knows(run: Run) -> None:
    ran = run("plugins", "doctor", "tini")
    assert (ran.code, ran.err) == (1, "error: There is no plugin 'tini'.\nfix: Did you mean tiny?\n")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon"])
def test_a_deadline_is_a_number_of_seconds(seconds: str, run: Run) -> None:
    ran = run("plugins", "doctor", f"--seconds={seconds}")
    assert (ran.code, "--seconds" in ran.err) == (2, True)


def test_a_deadline_for_imports(run: Run, folder: Path) -> None:
    write_plugin(folder, "toy", toy_manifest(), "import time\ntime.sleep(600)\n")
    ran = run("--registry", registry(folder, "toy"), "plugins", "doctor", "toy", "--seconds", "0.5")
    assert (ran.code, "0.5 s" in ran.out) == (1, True)
