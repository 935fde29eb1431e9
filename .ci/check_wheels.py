"""Builds the wheels of the tree and tries them in empty environments: listing without the engine, the demo with it.

The engine itself (several gigabytes) is not installed a second time: the second environment sees the packages of the
one that runs this script behind its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).with_name("uv")
PACKAGES = {
    "vlmplug": ROOT,
    "vlmplug-glm4v": ROOT / "plugins" / "glm4v",
    "vlmplug-internvl2": ROOT / "plugins" / "internvl2",
    "vlmplug-minicpm-v": ROOT / "plugins" / "minicpm_v",
    "vlmplug-qwen-vl": ROOT / "plugins" / "qwen_vl",
    "vlmplug-tiny": ROOT / "plugins" / "tiny",
    "vlmplug-deepseek-vl": ROOT / "plugins" / "deepseek_vl",
    "vlmplug-xcomposer2-5": ROOT / "plugins" / "xcomposer2_5",
}
#: What each wheel must hold, and what none may hold.
CONTENTS = {
    "vlmplug": ("vlmplug/registry.yaml", "vlmplug/py.typed", "vlmplug/cli/__init__.py"),
    "vlmplug-glm4v": (
        "vlmplug_glm4v/manifest.yaml",
        "vlmplug_glm4v/py.typed",
        "vlmplug_glm4v/verified/glm4v-set-a.hooks.json",
        "vlmplug_glm4v/tiny/config.json",
        "vlmplug_glm4v/tiny/model.safetensors",
    ),
    "vlmplug-internvl2": (
        "vlmplug_internvl2/manifest.yaml",
        "vlmplug_internvl2/py.typed",
        "vlmplug_internvl2/verified/internvl2-set-a.hooks.json",
    ),
    "vlmplug-minicpm-v": (
        "vlmplug_minicpm_v/manifest.yaml",
        "vlmplug_minicpm_v/py.typed",
        "vlmplug_minicpm_v/verified/minicpm-v-set-a.hooks.json",
        "vlmplug_minicpm_v/tiny/config.json",
        "vlmplug_minicpm_v/tiny/model.safetensors",
    ),
    "vlmplug-qwen-vl": (
        "vlmplug_qwen_vl/manifest.yaml",
        "vlmplug_qwen_vl/py.typed",
        "vlmplug_qwen_vl/verified/qwen-vl-set-a.hooks.json",
        "vlmplug_qwen_vl/tiny/config.json",
        "vlmplug_qwen_vl/tiny/model.safetensors",
    ),
    "vlmplug-tiny": (
        "vlmplug_tiny/manifest.yaml",
        "vlmplug_tiny/py.typed",
        "vlmplug_tiny/checkpoint/config.json",
        "vlmplug_tiny/checkpoint/model.safetensors",
    ),
    "vlmplug-deepseek-vl": (
        "vlmplug_deepseek_vl/manifest.yaml",
        "vlmplug_deepseek_vl/py.typed",
        "vlmplug_deepseek_vl/verified/deepseek-vl-set-a.hooks.json",
        "vlmplug_deepseek_vl/tiny/config.json",
        "vlmplug_deepseek_vl/tiny/model.safetensors",
    ),
    "vlmplug-xcomposer2-5": (
        "vlmplug_xcomposer2_5/manifest.yaml",
        "vlmplug_xcomposer2_5/py.typed",
        "vlmplug_xcomposer2_5/verified/xcomposer2-5-set-a.hooks.json",
        "vlmplug_xcomposer2_5/tiny/config.json",
        "vlmplug_xcomposer2_5/tiny/model.safetensors",
    ),
}
FOREIGN = ("tests/", "training/", "core/", "docs/", "examples/")
MODEL_TYPES = {
    "deepseek-vl-7b-chat",
    "glm4v-9b-chat",
    "internlm-xcomposer2_5-7b-chat",
    "internvl2-2b",
    "internvl2-tiny",
    "minicpm-v-v2_6-chat",
    "qwen-vl-chat",
}


class CheckError(Exception):
    """A wheel does not hold what it promises."""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="vlmplug-wheels-") as name:
        folder = Path(name)
        try:
            wheels = [built(package, source, folder / "dist") for package, source in PACKAGES.items()]
            check_listing(folder / "light", wheels)
            check_demo(folder / "engine", wheels)
        except CheckError as error:
            print(f"wheels: {error}", file=sys.stderr)
            return 1
        except subprocess.CalledProcessError as error:
            print(f"wheels: {' '.join(map(str, error.cmd))} ended with {error.returncode}", file=sys.stderr)
            return 1
    return 0


def built(package: str, source: Path, dist: Path) -> Path:
    """The wheel of a package, built from its source distribution, so that both are complete."""
    run(UV, "build", "--quiet", "--out-dir", dist, source)
    (wheel,) = dist.glob(f"{package.replace('-', '_')}-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    missing = [part for part in CONTENTS[package] if part not in names]
    foreign = [part for part in names if part.startswith(FOREIGN) or "/tests/" in part]
    unlicensed = not any(part.endswith("licenses/LICENSE") for part in names)
    if missing or foreign or unlicensed:
        raise CheckError(f"{wheel.name}: missing {missing}, foreign {foreign}, without a licence: {unlicensed}.")
    say(f"{wheel.name}: {len(names)} files, {wheel.stat().st_size:,} bytes")
    return wheel


def check_listing(folder: Path, wheels: list[Path]) -> None:
    """Without the extra, models are listed, and there is no torch that could have helped."""
    python = environment(folder)
    run(UV, "pip", "install", "--quiet", "--python", python, *wheels)
    if subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode == 0:
        raise CheckError("torch can be imported in the environment without the engine.")
    rows = json.loads(run(python.with_name("vlmplug"), "models", "list", "--json", folder=folder))
    listed = {row["model_type"] for row in rows}
    if not listed >= MODEL_TYPES:
        raise CheckError(f"`vlmplug models list --json` lacks {sorted(MODEL_TYPES - listed)}.")
    say(f"`vlmplug models list --json` without the engine: {len(rows)} model types")


def check_demo(folder: Path, wheels: list[Path]) -> None:
    """With the extra, the demo answers, from the wheels and outside of the checkout."""
    check_extra("engine")
    check_extra("video")
    python = environment(folder)
    run(UV, "pip", "install", "--quiet", "--no-deps", "--python", python, *wheels)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "packages_of_the_checkout.pth").write_text(sysconfig.get_path("purelib") + "\n")
    origin = Path(run(python, "-c", "import vlmplug; print(vlmplug.__file__)", folder=folder).strip())
    if not origin.is_relative_to(folder):
        raise CheckError(f"vlmplug is imported from {origin}, not from its wheel.")
    shutil.copytree(ROOT / "examples", folder / "examples")
    subprocess.run([python, "examples/demo.py"], cwd=folder, env=plain_environment(), check=True)
    say("the demo runs from the wheels")


def check_extra(extra: str) -> None:
    """Whether this environment holds what the extra of the package asks for."""
    for requirement in requirements_of("vlmplug", extra):
        try:
            version = Version(metadata.version(requirement.name))
        except metadata.PackageNotFoundError as error:
            raise CheckError(f"the extra {extra} needs {requirement.name}, which is not installed here.") from error
        if version not in requirement.specifier:
            raise CheckError(f"the extra {extra} needs {requirement}, and {version} is installed here.")


def requirements_of(package: str, extra: str) -> Iterator[Requirement]:
    for line in metadata.requires(package) or ():
        requirement = Requirement(line)
        if requirement.marker is not None and requirement.marker.evaluate({"extra": extra}):
            yield requirement


def environment(folder: Path) -> Path:
    """An empty environment with the Python that runs this script; returns its interpreter."""
    run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    return folder / "venv" / "bin" / "python"


def run(*command: str | Path, folder: Path = ROOT) -> str:
    """Runs a command; its standard output.

    :raises subprocess.CalledProcessError: it fails; what it said is shown.
    """
    result = subprocess.run(command, cwd=folder, env=plain_environment(), stdout=subprocess.PIPE, text=True, check=True)
    return result.stdout


def plain_environment() -> dict[str, str]:
    """The environment's variables without those that let Python find other packages."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def say(text: str) -> None:
    print(f"wheels: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
