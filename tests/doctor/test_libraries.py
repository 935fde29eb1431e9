"""Versions of Python, of the platform and of libraries, compared with what is needed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from vlmplug.doctor import libraries
from vlmplug.doctor.libraries import Platform

REQUIRES = [
    "numpy>=1.26",
    "pyyaml>=6.0.1",
    "not a requirement at all !",
    "pytest>=8; extra == 'test'",
    "colorama; sys_platform == 'nowhere'",
    "av>=14.2; extra == 'video'",
    "decord>=0.6; extra == 'video'",
    "av>=14.2; extra == 'engine'",
    "lmdeploy<0.19,>=0.18; extra == 'engine'",
    "safetensors>=0.4.3; extra == 'engine'",
    "torch>=2.6; extra == 'engine'",
    "transformers<6,>=5.10; extra == 'engine'",
]
ENGINE = {"lmdeploy": "0.18.0", "torch": "2.12.1+cu130", "transformers": "5.23.0", "safetensors": "0.8.0"}


@pytest.mark.parametrize(
    ("version", "needed", "status"),
    [("3.11.2", ">=3.10", "ok"), ("3.9.18", ">=3.10", "problem"), ("3.14.0rc2", ">=3.10", "ok"), ("3.12.1", "", "ok")],
)
def test_python(version: str, needed: str, status: str) -> None:
    row = libraries.check_python(version, needed)
    assert (row.status, row.found, row.needed) == (status, version, needed)


@pytest.mark.parametrize(
    ("here", "status"),
    [
        (Platform("linux", "x86_64", ("glibc", "2.36")), "ok"),
        (Platform("linux", "x86_64", ("glibc", "2.28")), "ok"),
        (Platform("linux", "x86_64", ("glibc", "2.17")), "note"),
        (Platform("linux", "x86_64", ("", "")), "note"),
        (Platform("linux", "aarch64", ("glibc", "2.39")), "note"),
        (Platform("win32", "AMD64"), "ok"),
        (Platform("win32", "ARM64"), "note"),
        (Platform("darwin", "arm64"), "note"),
    ],
)
def test_platforms_with_wheels_of_lmdeploy(here: Platform, status: str) -> None:
    assert libraries.check_platform(here).status == status


def test_this_platform_can_be_told() -> None:
    here = Platform.here()
    assert here.system and here.machine


def test_own_libraries_that_fit_are_one_row() -> None:
    (row,) = libraries.check_own_libraries(REQUIRES, {"numpy": "2.1", "pyyaml": "6.0.2"}.get)
    assert (row.status, row.found[:2]) == ("ok", "2 ")


@pytest.mark.parametrize(
    ("installed", "found"),
    [({"numpy": "1.20", "pyyaml": "6.0.2"}, {"numpy": "1.20"}), ({"numpy": "2.1"}, {"pyyaml": "not installed"})],
)
def test_own_libraries_that_do_not_fit_are_a_row_each(installed: Mapping[str, str], found: Mapping[str, str]) -> None:
    rows = list(libraries.check_own_libraries(REQUIRES, installed.get))
    assert {row.subject: row.found for row in rows} == found
    assert {row.status for row in rows} == {"problem"}
    assert all(row.fix == f'Run: pip install "{row.subject}{row.needed}"' for row in rows)


def test_without_lmdeploy_there_is_one_note_with_the_command() -> None:
    (row,) = libraries.check_engine_libraries(REQUIRES, ">=0.18,<0.19", {"torch": "2.0"}.get)
    assert (row.subject, row.status) == ("lmdeploy", "note")
    assert "vlmplug[engine]" in row.fix


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, set()),
        ({"lmdeploy": "0.17.0"}, {"lmdeploy"}),
        ({"lmdeploy": "0.19.0"}, {"lmdeploy"}),
        ({"torch": "2.5.1"}, {"torch"}),
        ({"torch": None}, {"torch"}),
        ({"transformers": "6.0.0"}, {"transformers"}),
        ({"transformers": "not-a-version"}, {"transformers"}),
    ],
)
def test_libraries_of_the_engine(change: Mapping[str, str | None], wrong: set[str]) -> None:
    rows = list(libraries.check_engine_libraries(REQUIRES, ">=0.18,<0.19", {**ENGINE, **change}.get))
    assert {row.subject for row in rows} == set(ENGINE)
    assert {row.subject for row in rows if row.status == "problem"} == wrong


def test_what_another_library_needs() -> None:
    requires = ["torch<=2.12.1,>=2.0.0", "peft<=0.14.0", "timm; extra == 'all'", "ray"]
    assert not list(libraries.check_conflicts("lmdeploy", requires, {"torch": "2.12.1", "peft": "0.14.0"}.get))
    (row,) = libraries.check_conflicts("lmdeploy", requires, {"torch": "2.13.0", "peft": "0.15.1"}.get)
    assert (row.status, row.found) == ("warning", "torch 2.13.0, peft 0.15.1")
    assert '"peft<=0.14.0"' in row.fix


@pytest.mark.parametrize(
    ("installed", "status"),
    [
        ({"av": "18.1.0", "decord": "0.6.0"}, "ok"),
        ({"av": "18.1.0"}, "ok"),
        ({"decord": "0.6.0"}, "ok"),
        ({"av": "12.0.0", "decord": "0.6.0"}, "ok"),
        ({"av": "12.0.0"}, "note"),
        ({}, "note"),
    ],
)
def test_one_library_is_enough_for_clips(installed: Mapping[str, str], status: str) -> None:
    row = libraries.check_video(REQUIRES, installed.get)
    assert (row.status, bool(row.fix)) == (status, status != "ok")


def test_versions_of_what_is_installed() -> None:
    assert libraries.installed_version("packaging")
    assert libraries.installed_version("no-such-distribution") is None
