"""Running commands in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from PIL import Image

from vlmplug.cli import main


@dataclass(frozen=True)
class Ran:
    """What became of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The standard output, which is one JSON document."""
        return json.loads(self.out)


Run: TypeAlias = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """``run("models", "list")``: the command's exit code and output."""

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture
def model(golden: Path) -> tuple[str, ...]:
    """Flags that name the golden checkpoint ``tiny``."""
    return ("--model-type", "internvl2-2b", "--model-dir", str(golden / "tiny"))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture of 224 x 112 pixels: two tiles and a thumbnail of the golden checkpoint."""
    path = tmp_path / "picture.png"
    Image.linear_gradient("L").resize((224, 112)).convert("RGB").save(path)
    return path


def registry_with(tmp_path: Path, licence: str) -> Path:
    """A registry file with the model type ``mine``, of which only the manifest is known."""
    facts = "family: internvl2, template: Hermes-2, modalities: [text], parameters: 9, context_length: 9"
    text = f"manifest: 1\nplugin: {{name: mine, api: 1}}\nmodel_types: {{mine: {{{facts}, licence: {licence}}}}}\n"
    (tmp_path / "manifest.yaml").write_text(text)
    file = tmp_path / "registry.yaml"
    file.write_text("registry: 1\nplugins: {mine: {manifest: manifest.yaml}}\n")
    return file


@pytest.fixture
def unloadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a model fails the test."""
    import vlmplug.cli.infer_models

    def load(*arguments: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(vlmplug.cli.infer_models, "Pipeline", load)
