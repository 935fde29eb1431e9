"""Commands that only look things up import nothing that takes long, and parse no manifest twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """if True:
    import sys
    from vlmplug.cli import main
    sys.argv = ["vlmplug", *sys.argv[1:]]
    code = main()
    sys.stdout.flush()
    print("\\n".join(sorted(sys.modules)), file=sys.stderr)
    sys.exit(code)
    """
#: Whatever the state of the cache.
HEAVY = {"torch", "transformers", "lmdeploy", "numpy", "PIL", "tokenizers", "sentencepiece", "av", "google", "pluggy"}
PLUGINS = {
    f"vlmplug_{name}" for name in ("deepseek_vl", "glm4v", "internvl2", "minicpm_v", "qwen_vl", "tiny", "xcomposer2_5")
}
PLUGINS |= {"vlmplug.host", "vlmplug.plugin_code", "vlmplug.hooks"}
#: Once the manifests were parsed.
SLOW = {"yaml", "vlmplug.composer", "importlib.metadata", "email", "dataclasses", "inspect", "shutil", "packaging"}
COMMANDS = [
    ("models", "list"),
    ("models", "list", "--family", "internvl2", "--modality", "video"),
    ("models", "list", "--json"),
    ("models", "list", "--verified"),
    ("models", "show", "internvl2-2b"),
    ("models", "resolve", "internvl2-2b"),
    ("models", "resolve", "OpenGVLab/InternVL2-2B"),
    ("models", "default"),
    ("plugins", "list"),
    ("plugins", "list", "--json"),
]
FAST = [
    ("models", "list"),
    ("models", "list", "--family", "internvl2"),
    ("models", "resolve", "internvl2-2b"),
    ("plugins", "list"),
]


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder in which everything was read once."""
    folder = tmp_path_factory.mktemp("cache")
    modules(folder, "models", "list")
    return folder


def modules(cache: Path, *arguments: str) -> set[str]:
    """What a process that ran the command had imported."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "LOCALAPPDATA": str(cache), "VLMPLUG_STRICT": ""}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "vlmplug.cli.main" in ran.stderr, ran.stderr
    return set(ran.stderr.splitlines())


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_nothing_heavy_and_no_plugin_is_imported(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert modules(tmp_path, *arguments) & (HEAVY | PLUGINS) == set()


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_what_was_parsed_is_not_parsed_again(arguments: tuple[str, ...], warm: Path) -> None:
    assert modules(warm, *arguments) & {"yaml", "vlmplug.composer"} == set()


@pytest.mark.parametrize("arguments", FAST, ids=" ".join)
def test_nothing_slow_is_imported_once_the_manifests_were_parsed(arguments: tuple[str, ...], warm: Path) -> None:
    assert modules(warm, *arguments) & SLOW == set()


def test_only_the_command_that_runs_is_imported(warm: Path) -> None:
    loaded = {name for name in modules(warm, "plugins", "list") if name.startswith("vlmplug.cli.")}
    assert loaded & {f"vlmplug.cli.{name}" for name in ("models", "infer", "render", "verify", "cache")} == set()
    assert "vlmplug.cli.infer" not in modules(warm, "--help")


def test_what_is_listed_is_the_same_with_and_without_the_cache(warm: Path, tmp_path: Path) -> None:
    def listed(cache: Path) -> object:
        environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "LOCALAPPDATA": str(cache)}
        command = [sys.executable, "-m", "vlmplug", "models", "list", "--json"]
        return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)

    (tmp_path / "file").write_text("")
    assert listed(warm) == listed(tmp_path / "file" / "no folder") == listed(tmp_path / "new")
