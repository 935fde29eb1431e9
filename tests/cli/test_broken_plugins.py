"""Plugins that misbehave, as a user at a terminal meets them: what is wrong, how to mend it, and never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from tests.host_maker import WRAPPER, failing
from tests.plugin_maker import TOY_HOOKS, manifest, packages, toy_manifest, write_plugin, write_yaml

HANG = "import threading; threading.Event().wait(60)"
OWN = "Report it to the plugin's authors."


def program(tmp_path: Path, *flags: str, names: tuple[str, ...] = ("toy",)) -> tuple[list[str], dict[str, str]]:
    """The command line that renders a question with the plugins ``names``, and its environment."""
    registry = write_yaml(tmp_path / "registry.yaml", {"registry": 1, "plugins": packages(*names)})
    environment = {**os.environ, **dict.fromkeys(("PYTHONPATH", "XDG_CONFIG_HOME", "APPDATA"), str(tmp_path))}
    call = [sys.executable, "-m", "vlmplug", "--registry", str(registry), *flags, "render", "hi"]
    return [*call, "--model-type", "toy-1b", "--model-dir", str(tmp_path / "checkpoint")], environment


def run(tmp_path: Path, *flags: str, names: tuple[str, ...] = ("toy",)) -> Ran:
    call, environment = program(tmp_path, *flags, names=names)
    ran = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=120, encoding="utf-8")
    return Ran(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture(autouse=True)
def folder(checkpoint: Path) -> Path:
    return checkpoint


OWNERS = {
    "import error": ("raise OSError('no')\n", "cannot be imported from toy_plugin.hooks: OSError: no.", "Reinstall"),
    "missing library": ("import no_such_lib\n", "No module named 'no_such_lib'.", "Run: pip install no_such_lib"),
    "exit at import": ("raise SystemExit(0)\n", "cannot be imported from toy_plugin.hooks: SystemExit: 0.", "Reinst"),
    "unknown hook": (
        TOY_HOOKS.replace("def render_prompt", "def rendr_prompt"),
        "has an unknown hook 'rendr_prompt'.",
        "Did you mean render_prompt?",
    ),
    "wrong argument": (
        TOY_HOOKS.replace("render_prompt(model, con", "render_prompt(modle, con"),
        "render_prompt takes an argument 'modle', which the hook does not have.",
        "Did you mean model?",
    ),
    "hook that raises": (failing("return {}['x']"), "render_prompt of plugin toy failed: KeyError: 'x'.", OWN),
    "hook that exits": (failing("import sys; sys.exit(0)"), "render_prompt of plugin toy failed: SystemExit: 0.", OWN),
    "hook without result": (failing("pass"), "wrong result: it is None; expected a RenderedPrompt.", OWN),
    "wrong dict": (failing("return {'a': 1}"), "wrong result: it is a dict; expected a RenderedPrompt.", OWN),
    "wrong ids": (TOY_HOOKS.replace("((1, *", "((1000, *"), "input_ids holds 1000; expected ids below 100", OWN),
}
ENDLESS = {
    "import": (HANG, "Plugin toy cannot be imported from toy_plugin.hooks: it took longer than 5 s."),
    "hook": (failing(HANG), "render_prompt of plugin toy did not return within 5 s."),
}


@pytest.mark.parametrize(("hooks", "problem", "remedy"), OWNERS.values(), ids=OWNERS)
def test_an_owner_that_misbehaves(tmp_path: Path, hooks: str, problem: str, remedy: str) -> None:
    write_plugin(tmp_path, "toy", toy_manifest(), hooks)
    ran = run(tmp_path)
    assert (ran.code, ran.out) == (1, "")
    error, fix = ran.err.splitlines()
    assert error.startswith("error: ")
    assert "toy" in error
    assert problem in error
    assert fix.startswith("fix: ")
    assert remedy in fix


@pytest.mark.parametrize(("hooks", "problem"), ENDLESS.values(), ids=ENDLESS)
def test_an_owner_that_never_ends(tmp_path: Path, hooks: str, problem: str) -> None:
    write_plugin(tmp_path, "toy", toy_manifest(), hooks)
    ran = run(tmp_path, "--plugin-seconds", "5")
    assert (ran.code, ran.out) == (1, "")
    error, fix = ran.err.splitlines()
    assert error == f"error: {problem}"
    assert "`--plugin-seconds N`" in fix


def test_the_wrong_version_of_a_library(tmp_path: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest(requires={"numpy": ">=1000"}), TOY_HOOKS)
    ran = run(tmp_path)
    assert ran.code == 1
    assert "error: " in ran.err
    assert "needs numpy >=1000 (found " in ran.err
    assert 'fix: Run: pip install "numpy>=1000"' in ran.err


def with_wrapper(tmp_path: Path, wrappers: bool | str, *flags: str) -> Ran:
    """The family ``toy`` works; a plugin that goes around it cannot be imported."""
    write_plugin(tmp_path, "toy", toy_manifest(), TOY_HOOKS)
    content = manifest("wrap", hooks="wrap_plugin.hooks", wrappers=wrappers)
    write_plugin(tmp_path, "wrap", content, "import no_such_lib\n")
    return run(tmp_path, *flags, names=("toy", "wrap"))


def test_everything_else_keeps_working(tmp_path: Path) -> None:
    ran = with_wrapper(tmp_path, True)
    assert ran.code == 0
    assert ran.out.startswith("hi\n")
    assert ran.err.count("\n") == 1
    assert "Going on without the wrappers of plugin wrap: Plugin wrap cannot be imported" in ran.err


@pytest.mark.parametrize(("wrappers", "flags"), [("required", ()), (True, ("--strict",))])
def test_unless_it_must_not(tmp_path: Path, wrappers: bool | str, flags: tuple[str, ...]) -> None:
    ran = with_wrapper(tmp_path, wrappers, *flags)
    assert (ran.code, ran.out) == (1, "")
    assert "error: The wrappers of plugin wrap must go around every call. Plugin wrap cannot be imported" in ran.err


def test_with_debug_the_traceback_leads_to_the_plugin(tmp_path: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest(), failing("return {}['x']"))
    ran = run(tmp_path, "--debug")
    assert ran.code == 1
    assert "return {}['x']" in ran.err
    assert "KeyError: 'x'" in ran.err


def test_the_trace_goes_to_the_standard_error(tmp_path: Path) -> None:
    write_plugin(tmp_path, "toy", toy_manifest(), TOY_HOOKS)
    plain, traced = run(tmp_path), run(tmp_path, "--trace")
    assert (traced.code, traced.out) == (0, plain.out)
    assert [line.partition("(")[0] for line in traced.err.splitlines() if " -> " not in line] == [
        "trace 1: import toy from toy_plugin.hooks",
        "trace 2: load_model toy: source=ModelSource",
        "trace 3: render_prompt toy: model=FamilyModel",
        "trace 4: inject_vision_tokens toy: prompt=RenderedPrompt",
    ]


@pytest.mark.parametrize("seconds", ["-1", "nan", "soon"])
def test_what_is_no_time(tmp_path: Path, seconds: str) -> None:
    write_plugin(tmp_path, "toy", toy_manifest(), TOY_HOOKS)
    ran = run(tmp_path, f"--plugin-seconds={seconds}")
    assert ran.code in (1, 2)
    assert "--plugin-seconds" in ran.err
    assert "Traceback" not in ran.err


def test_no_limit_at_all(tmp_path: Path) -> None:
    slow = TOY_HOOKS.replace("    slots", "    import time; time.sleep(1)\n    slots")
    write_plugin(tmp_path, "toy", toy_manifest(), slow)
    assert run(tmp_path, "--plugin-seconds", "0").code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="interrupts are sent otherwise there")
def test_an_interrupt_ends_a_hook_that_hangs(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    write_plugin(tmp_path, "toy", toy_manifest(), failing(f"open({str(marker)!r}, 'w').close(); {HANG}"))
    write_plugin(tmp_path, "wrap", manifest("wrap", hooks="wrap_plugin.hooks", wrappers=True), WRAPPER)
    call, environment = program(tmp_path, names=("toy", "wrap"))
    with subprocess.Popen(call, env=environment, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(600):
            if marker.exists():
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "")
