"""Requirements of plugins against what is installed; importing none of it."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from vlmplug.errors import RequirementError
from vlmplug.requirements import Unmet, fix, raise_unmet, unmet

NUMPY = metadata.version("numpy")


@pytest.mark.parametrize(
    "requires",
    [
        {},
        {"numpy": ""},
        {"numpy": ">=1.0"},
        {"NumPy": f"=={NUMPY}"},
        {"numpy": ">=1,<1000", "pluggy": "!=0.1"},
        {"numpy": ">= 1.0 , < 1000"},
    ],
)
def test_what_holds(requires: dict[str, str]) -> None:
    assert unmet(requires) == []


@pytest.mark.parametrize(
    ("requires", "shown"),
    [
        ({"numpy": ">=1000"}, f"numpy >=1000 (found {NUMPY})"),
        ({"no-such-library": ">=1"}, "no-such-library >=1 (it is not installed)"),
        ({"no-such-library": ""}, "no-such-library (it is not installed)"),
        ({"numpy": "about 2"}, "numpy about 2 ('about 2' is no version specifier; correct it in the manifest)"),
    ],
)
def test_what_does_not_hold(requires: dict[str, str], shown: str) -> None:
    (problem,) = unmet(requires)
    assert str(problem) == shown


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``distribution(version)`` installs a distribution called ``oddlib``."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(version: str) -> None:
        folder = tmp_path / "oddlib-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: oddlib\n{version}")

    return install


@pytest.mark.parametrize(
    ("version", "needed", "problems"),
    [
        ("Version: 2.1.0+cu128\n", ">=2.1", []),
        ("Version: 2.2.0.dev20250101\n", ">=2.1", []),
        ("Version: 2.1rc1\n", ">=2.1", ["oddlib >=2.1 (found 2.1rc1)"]),
        ("Version: from-git\n", ">=2.1", ["oddlib >=2.1 (found from-git, which is no version)"]),
        ("", ">=2.1", ["oddlib >=2.1 (it is not installed)"]),
    ],
)
def test_odd_versions(distribution, version: str, needed: str, problems: list[str]) -> None:
    distribution(version)
    assert [str(problem) for problem in unmet({"oddlib": needed})] == problems


def test_the_command_that_mends_all_of_it() -> None:
    problems = [Unmet("transformers", ">=5.10, <6", "4.1"), Unmet("einops", "", None), Unmet("odd", "?", "1", "wrong")]
    assert fix(problems) == 'Run: pip install "transformers>=5.10,<6" "einops" "odd"'


def test_the_error_says_who_needs_what() -> None:
    with pytest.raises(RequirementError) as caught:
        raise_unmet("Plugin toy", unmet({"numpy": ">=1000", "no-such-library": ">=1"}))
    assert caught.value.problem == (
        f"Plugin toy needs numpy >=1000 (found {NUMPY}), no-such-library >=1 (it is not installed)."
    )
    assert caught.value.remedy == 'Run: pip install "numpy>=1000" "no-such-library>=1"'


def test_nothing_is_raised_where_all_of_it_holds() -> None:
    raise_unmet("Plugin toy", [])


def test_no_library_is_imported_for_it() -> None:
    before = set(sys.modules)
    unmet({"lmdeploy": ">=1000", "scikit-image": ">=0"})
    assert not {"lmdeploy", "skimage"} & (set(sys.modules) - before)
