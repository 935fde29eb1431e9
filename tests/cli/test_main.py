"""Errors are one or two lines with an exit code; whatever happens, no traceback unless it is asked for."""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Run
from tests.plugin_maker import write_yaml
from vlmplug.cli import models_list
from vlmplug.discovery import built_in_file
from vlmplug.errors import GoldenSetError, OptionError


def test_version(run: Run) -> None:
    ran = run("--version")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("vlmplug ")


@pytest.mark.parametrize("arguments", [("--help",), ("models", "--help"), ("infer", "--help"), ("verify", "-h")])
def test_help(arguments: tuple[str, ...], run: Run) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.err) == (0, "")
    assert "usage: vlmplug" in ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("modls",),
        ("models",),
        ("models", "list", "extra"),
        ("render",),
        ("infer", "--tp", "two", "q"),
        ("infer", "--device", "tpu", "q"),
    ],
)
def test_a_command_that_makes_no_sense(arguments: tuple[str, ...], run: Run) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    error, fix = ran.err.splitlines()
    assert error.startswith("error: ")
    assert fix.startswith("fix: See `vlmplug") and fix.endswith(" --help`.")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("infer", "--modeltype", "x", "q"), ("--modeltype q", "Did you mean --model-type?")),
        (("infer", "--max-tokens=3", "q"), ("--max-tokens=3", "Did you mean --max-new-tokens?")),
        (("models", "list", "--jsn"), ("--jsn", "Did you mean --json?")),
        (("infer", "--", "q", "--json"), ("--json", "Write flags in front of --; what follows it is text.")),
        (("plugins", "list", "all"), ("all", "See `vlmplug plugins list --help`.")),
    ],
)
def test_a_flag_that_is_not_there(arguments: tuple[str, ...], says: tuple[str, str], run: Run) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    unknown, fix = says
    assert ran.err.splitlines() == [f"error: unrecognized arguments: {unknown}", f"fix: {fix}"]


def test_an_error_is_two_lines(run: Run) -> None:
    ran = run("models", "show", "internvl2-3b")
    assert (ran.code, ran.out) == (1, "")
    error, fix = ran.err.splitlines()
    assert error.startswith("error: There is no model type 'internvl2-3b'.")
    assert fix.startswith("fix: Did you mean internvl2-")


def test_debug_shows_the_traceback(run: Run) -> None:
    for arguments in (("--debug", "models", "show", "x"), ("models", "show", "--debug", "x")):
        ran = run(*arguments)
        assert ran.code == 1
        assert "Traceback (most recent call last)" in ran.err
        assert "error: There is no model type 'x'." in ran.err


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (OptionError("One\nline   only.", "Mend\nit."), 1, ["error: One line only.", "fix: Mend it."]),
        (OptionError("Nothing to mend."), 1, ["error: Nothing to mend."]),
        (GoldenSetError("Broken.", "Mend it."), 2, ["error: Broken.", "fix: Mend it."]),
        (GoldenSetError("Broken."), 2, ["error: Broken.", "fix: Get a complete copy of the set, or mend it there."]),
    ],
)
def test_lines_and_codes(
    error: Exception, code: int, lines: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(error, monkeypatch)
    ran = run("models", "list")
    assert (ran.code, ran.err.splitlines()) == (code, lines)


def test_an_interrupted_command_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(KeyboardInterrupt(), monkeypatch)
    ran = run("models", "list")
    assert (ran.code, ran.out, ran.err) == (130, "", "")


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(models_list, "_list", fail)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "vlmplug", "models", "list", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize(("arguments", "closed", "code"), [("models list", ">&-", 0), ("models show x", "2>&-", 1)])
def test_a_stream_that_is_closed_from_the_start(arguments: str, closed: str, code: int) -> None:
    command = f'exec "{sys.executable}" -m vlmplug {arguments} {closed}'
    ran = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (code, b"", b"")


def test_as_a_function_it_leaves_the_collector_alone(run: Run) -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    assert run("models", "list").code == 0
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_a_terminal_without_unicode_does_not_end_the_program(golden: Path) -> None:
    command = ["render", "--model-type", "internvl2-2b", "--model-dir", str(golden / "tiny"), "你好"]
    ran = subprocess.run(
        [sys.executable, "-m", "vlmplug", *command],
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
        capture_output=True,
        check=True,
    )
    assert b"user\n??<|im_end|>" in ran.stdout


def test_underscores_are_as_good_as_dashes(run: Run, golden: Path) -> None:
    dashed = run("render", "--model-type", "internvl2-2b", "--model-dir", golden / "tiny", "--json", "a_b --c_d")
    underscored = run("render", "--model_type=internvl2-2b", "--model_dir", golden / "tiny", "--json", "a_b --c_d")
    assert dashed.code == underscored.code == 0
    assert dashed.json == underscored.json
    assert "a_b --c_d" in dashed.json["prompt"]


def test_text_behind_two_dashes_is_left_alone(run: Run, golden: Path) -> None:
    ran = run(
        "render", "--model-type", "internvl2-2b", "--model-dir", golden / "tiny", "--json", "--", "--what_is this"
    )
    assert "user\n--what_is this<|im_end|>" in ran.json["prompt"]


def test_a_further_registry_file_before_or_behind_the_command(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "registry.yaml"
    plugins = yaml.safe_load(built_in_file().read_text())["plugins"]
    write_yaml(file, {"registry": 1, "plugins": {name: {"enabled": False} for name in plugins}})
    for arguments in (("--registry", file, "models", "list"), ("models", "list", "--registry", file)):
        assert run(*arguments, "--json").json == []
    both = run("--registry", tmp_path / "missing.yaml", "models", "list", "--registry", file)
    assert (both.code, both.out) == (1, "")
    assert "missing.yaml" in both.err


def test_starting_and_listing_import_nothing_heavy() -> None:
    program = """if True:
        import sys
        from vlmplug.cli import main
        assert main(["models", "list"]) == 0
        heavy = {"torch", "transformers", "lmdeploy", "numpy", "PIL", "tokenizers", "av", "vlmplug_internvl2"}
        sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)
        """
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
