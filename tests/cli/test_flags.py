"""The program's own flags: in front of the command or behind it, and their environment variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.plugin_maker import write_yaml
from vlmplug.cli.commands import program_parser
from vlmplug.cli.flags import host_options_of, registry_files_of, registry_of, strict_of
from vlmplug.errors import ManifestError, OptionError, VlmplugError

BEFORE_AND_BEHIND = [
    ("{flag}", "models", "list"),
    ("models", "{flag}", "list"),
    ("models", "list", "{flag}"),
]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own surroundings have no say."""
    monkeypatch.delenv("VLMPLUG_STRICT", raising=False)
    monkeypatch.delenv("VLMPLUG_TRACE", raising=False)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A registry file with a plugin whose manifest is broken."""
    write_yaml(tmp_path / "manifest.yaml", "manifest: 1\nplugin: {name: sick}\n")
    return write_yaml(tmp_path / "registry.yaml", "registry: 1\nplugins: {sick: {manifest: manifest.yaml}}\n")


@pytest.mark.parametrize("line", BEFORE_AND_BEHIND)
@pytest.mark.parametrize(
    ("flag", "name", "value"),
    [("--debug", "debug", True), ("--strict", "strict", True), ("--trace", "trace", True)],
)
def test_a_flag_counts_wherever_it_stands(line: tuple[str, ...], flag: str, name: str, value: bool) -> None:
    arguments = program_parser().parse_args([word.format(flag=flag) for word in line])
    assert getattr(arguments, name) is value
    assert getattr(program_parser().parse_args(["models", "list"]), name) is False


@pytest.mark.parametrize("line", BEFORE_AND_BEHIND)
def test_colour_counts_wherever_it_stands(line: tuple[str, ...]) -> None:
    assert program_parser().parse_args([word.format(flag="--color=never") for word in line]).color == "never"
    assert program_parser().parse_args(["models", "list"]).color == "auto"


def test_registry_files_add_up_from_left_to_right() -> None:
    line = ["--registry", "a", "--registry=b", "models", "--registry", "c", "list", "--registry=d", "--registry", "e"]
    assert list(map(str, registry_files_of(program_parser().parse_args(line)))) == ["a", "b", "c", "d", "e"]


def test_the_last_registry_file_wins(run: Run, tmp_path: Path) -> None:
    off = write_yaml(tmp_path / "off.yaml", "registry: 1\nplugins: {tiny: {enabled: false}}\n")
    on = write_yaml(tmp_path / "on.yaml", "registry: 1\nplugins: {tiny: {enabled: true}}\n")
    assert "internvl2-tiny" not in run("--registry", on, "models", "list", "--registry", off).out
    assert "internvl2-tiny" in run("--registry", off, "models", "list", "--registry", on).out


@pytest.mark.parametrize(
    ("value", "strict"),
    [("1", True), ("true", True), ("YES", True), ("on", True), ("", False), ("0", False), ("False", False)],
)
def test_the_variable_for_strictness(value: str, strict: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMPLUG_STRICT", value)
    arguments = program_parser().parse_args(["models", "list"])
    assert strict_of(arguments) is strict
    assert host_options_of(arguments).strict is strict


@pytest.mark.parametrize("variable", ["VLMPLUG_STRICT", "VLMPLUG_TRACE"])
def test_a_variable_that_is_neither_on_nor_off(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "ture")
    with pytest.raises(OptionError, match=f"{variable} is 'ture'. Set it to 1 or 0."):
        host_options_of(program_parser().parse_args(["models", "list"]))


def test_a_broken_plugin_is_a_note_or_with_strictness_an_error(
    run: Run, broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lenient = run("models", "list", "--registry", broken)
    assert lenient.code == 0
    assert "internvl2-2b" in lenient.out
    assert "left out because of errors: sick" in lenient.err
    strict = run("models", "list", "--registry", broken, "--strict")
    assert (strict.code, strict.out) == (1, "")
    assert "the key 'api' is missing" in strict.err
    monkeypatch.setenv("VLMPLUG_STRICT", "1")
    assert run("models", "list", "--registry", broken) == strict


def test_the_registry_of_the_flags(broken: Path) -> None:
    line = ["models", "list", "--registry", str(broken)]
    assert registry_of(program_parser().parse_args(line)).plugins["sick"].status == "broken"
    with pytest.raises(ManifestError, match="api"):
        registry_of(program_parser().parse_args(["--strict", *line]))
    with pytest.raises(VlmplugError, match="cannot be read"):
        registry_of(program_parser().parse_args(["--registry", str(broken / "no"), "models", "list"]))


@pytest.mark.parametrize("variable", ["", "1"])
def test_calls_of_hooks_are_traced_to_the_standard_error(
    variable: str, run: Run, model: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMPLUG_TRACE", variable)
    flags = () if variable else ("--trace",)
    ran = run("render", *model, *flags, "--json", "hello")
    assert ran.code == 0
    assert "hello" in ran.json["prompt"]
    for hook in ("load_model", "render_prompt", "preprocess_media", "inject_vision_tokens"):
        assert hook in ran.err
    monkeypatch.delenv("VLMPLUG_TRACE")
    assert run("render", *model, "--json", "hello").err == ""


@pytest.mark.parametrize(("flag", "meant"), [("--strct", "--strict"), ("--tracee", "--trace"), ("--colour", "--color")])
def test_a_misspelt_flag_of_the_program(flag: str, meant: str, run: Run) -> None:
    ran = run("models", "list", flag)
    assert ran.code == 2
    assert f"fix: Did you mean {meant}?" in ran.err
