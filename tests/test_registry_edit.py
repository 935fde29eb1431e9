"""The default model type, and which plugins count, go into the user's registry file, and nothing else in it changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmplug.errors import RegistryError
from vlmplug.registry_edit import set_default, set_enabled, unset_default
from vlmplug.registry_file import read_registry_file

NAME = "internvl2-2b"
PLAIN = "# mine\nregistry: 1  # format\n\nplugins:\n  a: {enabled: false}  # 书生\n# end\n"


def default_of(file: Path) -> str | None:
    setting = read_registry_file(file, "user").default_model_type
    return setting.value if setting else None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PLAIN, PLAIN.replace("# format\n", f"# format\ndefault_model_type: {NAME}\n")),
        ("registry: 1", f"registry: 1\ndefault_model_type: {NAME}\n"),
        ("registry: 1\r\nplugins: {}\r\n", f"registry: 1\r\ndefault_model_type: {NAME}\r\nplugins: {{}}\r\n"),
        ("plugins: {}\nregistry: 1\n", f"plugins: {{}}\nregistry: 1\ndefault_model_type: {NAME}\n"),
        ("  registry: 1\n  plugins: {}\n", f"  registry: 1\n  default_model_type: {NAME}\n  plugins: {{}}\n"),
        ("{registry: 1, plugins: {}}\n", f"{{registry: 1, default_model_type: {NAME}, plugins: {{}}}}\n"),
        ("---\nregistry: 1\n...\n", f"---\nregistry: 1\ndefault_model_type: {NAME}\n...\n"),
        ("registry: 1\ndefault_model_type: old  # why\n", f"registry: 1\ndefault_model_type: {NAME}  # why\n"),
        ('default_model_type: "old"\nregistry: 1\n', f"default_model_type: {NAME}\nregistry: 1\n"),
        ("registry: 1\ndefault_model_type:\n", f"registry: 1\ndefault_model_type: {NAME}\n"),
        ("registry: 1\ndefault_model_type:\n  old\n", f"registry: 1\ndefault_model_type:\n  {NAME}\n"),
        ("\ufeffregistry: 1\n", f"\ufeffregistry: 1\ndefault_model_type: {NAME}\n"),
    ],
)
def test_only_that_line_changes(before: str, after: str, tmp_path: Path) -> None:
    file = tmp_path / "registry.yaml"
    file.write_bytes(before.encode())
    set_default(file, NAME)
    assert file.read_bytes().decode() == after
    assert default_of(file) == NAME


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# mine\nregistry: 1\ndefault_model_type: old  # why\n# end\n", "# mine\nregistry: 1\n# end\n"),
        ("default_model_type: old\nregistry: 1\n", "registry: 1\n"),
        ("registry: 1\r\ndefault_model_type: old", "registry: 1\r\n"),
        ("{registry: 1, default_model_type: old, plugins: {}}\n", "{registry: 1, plugins: {}}\n"),
        ("{registry: 1, default_model_type: old}", "{registry: 1}"),
        ("registry: 1\ndefault_model_type:\n  old\nplugins: {}\n", "registry: 1\nplugins: {}\n"),
    ],
)
def test_taking_it_out_leaves_the_rest(before: str, after: str, tmp_path: Path) -> None:
    file = tmp_path / "registry.yaml"
    file.write_bytes(before.encode())
    assert unset_default(file)
    assert file.read_bytes().decode() == after
    assert default_of(file) is None
    assert not unset_default(file)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# mine\nregistry: 1  # f\n# end\n", "# mine\nregistry: 1  # f\nplugins:\n  tiny: {enabled: false}\n# end\n"),
        ("registry: 1", "registry: 1\nplugins:\n  tiny: {enabled: false}\n"),
        ("registry: 1\nplugins:\n", "registry: 1\nplugins: {tiny: {enabled: false}}\n"),
        ("registry: 1\nplugins: {}  # none\n", "registry: 1\nplugins: {tiny: {enabled: false}}  # none\n"),
        ("{registry: 1}", "{registry: 1, plugins: {tiny: {enabled: false}}}"),
        (
            "registry: 1\r\nplugins:\r\n    a: {package: a}  # 书生\r\n# end\r\n",
            "registry: 1\r\nplugins:\r\n    a: {package: a}  # 书生\r\n    tiny: {enabled: false}\r\n# end\r\n",
        ),
        (
            "registry: 1\nplugins:\n  a:\n    package: a  # why\n  # of nobody\nplugins_blocked: [b]\n",
            "registry: 1\nplugins:\n  a:\n    package: a  # why\n  tiny: {enabled: false}\n  # of nobody\n"
            "plugins_blocked: [b]\n",
        ),
        (
            "registry: 1\nplugins: {a: {package: a}, }\n",
            "registry: 1\nplugins: {a: {package: a}, tiny: {enabled: false}, }\n",
        ),
        (
            "registry: 1\nplugins:\n  tiny: {enabled: true}  # for now\n",
            "registry: 1\nplugins:\n  tiny: {enabled: false}  # for now\n",
        ),
        (
            "registry: 1\nplugins:\n  tiny: {package: mine}\n",
            "registry: 1\nplugins:\n  tiny: {package: mine, enabled: false}\n",
        ),
        (
            "registry: 1\nplugins:\n  tiny:\n    package: mine  # of mine\n\n  a: {package: a}\n",
            "registry: 1\nplugins:\n  tiny:\n    package: mine  # of mine\n    enabled: false\n\n  a: {package: a}\n",
        ),
        ("registry: 1\nplugins:\n  tiny: {}\n", "registry: 1\nplugins:\n  tiny: {enabled: false}\n"),
    ],
)
def test_turning_a_plugin_off_changes_that_value_alone(before: str, after: str, tmp_path: Path) -> None:
    file = tmp_path / "registry.yaml"
    file.write_bytes(before.encode())
    assert set_enabled(file, "tiny", False)
    assert file.read_bytes().decode() == after
    assert not set_enabled(file, "tiny", False)
    assert set_enabled(file, "tiny", True)
    assert file.read_bytes().decode() == after.replace("enabled: false", "enabled: true")


@pytest.mark.parametrize("name", ["null", "true", "a.b-c_d"])
def test_names_of_plugins_that_yaml_would_read_as_something_else(name: str, tmp_path: Path) -> None:
    file = tmp_path / "registry.yaml"
    for enabled in (False, True):
        assert set_enabled(file, name, enabled)
        (statement,) = read_registry_file(file, "user").plugins
        assert (statement.name, statement.enabled) == (name, enabled)


def test_a_plugin_whose_entry_is_an_alias_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "registry.yaml"
    content = "registry: 1\nplugins:\n  a: &x {package: p}\n  b: *x\n"
    file.write_text(content)
    with pytest.raises(RegistryError, match=r"Change plugins\.b\.enabled in it by hand"):
        set_enabled(file, "b", False)
    assert file.read_text() == content


def test_a_file_that_is_not_there_is_made_with_a_comment(tmp_path: Path) -> None:
    file = tmp_path / "config" / "vlmplug" / "registry.yaml"
    assert not unset_default(file)
    set_default(file, NAME)
    assert file.read_text().startswith("# Your own registry")
    assert default_of(file) == NAME


@pytest.mark.parametrize("name", ["null", "true", "1", "1e5", "0x1f", "2024-01-01", "a.b-c_d"])
def test_names_that_yaml_would_read_as_something_else(name: str, tmp_path: Path) -> None:
    file = tmp_path / "registry.yaml"
    set_default(file, name)
    set_default(file, name)
    assert default_of(file) == name


@pytest.mark.parametrize(
    "broken",
    [
        "registry: 2\n",
        "registry: 1\nregistry: 1\n",
        "registry: [\n",
        "plugins: {}\n",
        "",
        "\xff",
        "default_model_type: a",
    ],
)
def test_a_broken_file_is_not_touched(broken: str, tmp_path: Path) -> None:
    file = tmp_path / "registry.yaml"
    content = broken.encode("latin-1")
    file.write_bytes(content)
    for change in (
        lambda: set_default(file, NAME),
        lambda: unset_default(file),
        lambda: set_enabled(file, "tiny", False),
    ):
        with pytest.raises(RegistryError, match=r"registry\.yaml"):
            change()
    assert file.read_bytes() == content
    assert os.listdir(tmp_path) == ["registry.yaml"]


def test_a_layout_that_cannot_be_changed_safely_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "registry.yaml"
    content = '? registry\n: 1\n? default_model_type\n: &x "old"\nplugins: {}\nplugins_blocked: [*x]\n'
    file.write_text(content)
    with pytest.raises(RegistryError, match="by hand"):
        set_default(file, NAME)
    assert file.read_text() == content


def test_a_link_keeps_pointing_to_the_file_and_the_mode_stays(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles.yaml", tmp_path / "registry.yaml"
    real.write_text("registry: 1\n")
    real.chmod(0o600)
    link.symlink_to(real)
    set_default(link, NAME)
    assert link.is_symlink()
    assert default_of(real) == NAME
    assert real.stat().st_mode & 0o777 == 0o600


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "vlmplug").write_text("no folder")
    with pytest.raises(RegistryError, match="cannot be written"):
        set_default(tmp_path / "vlmplug" / "registry.yaml", NAME)


COMMENT = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufeff\ufffe\uffff"), max_size=20
)


@given(st.lists(COMMENT, max_size=4), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_setting_and_unsetting_gives_back_every_byte(
    tmp_path_factory: pytest.TempPathFactory, comments: list[str], end: str, first: bool
) -> None:
    file = tmp_path_factory.mktemp("edit") / "registry.yaml"
    lines = [f"#{comment}" for comment in comments]
    place = 0 if first else len(lines)
    content = "".join(line + end for line in [*lines[:place], "registry: 1  # format", *lines[place:]])
    file.write_bytes(content.encode())
    set_default(file, NAME)
    set_default(file, "tiny")
    assert default_of(file) == "tiny"
    unset_default(file)
    assert file.read_bytes() == content.encode()


@given(st.lists(COMMENT, min_size=1, max_size=5), st.sampled_from(["\n", "\r\n"]), st.data())
def test_a_plugin_turned_off_and_on_leaves_comments_where_they_are(
    tmp_path_factory: pytest.TempPathFactory, comments: list[str], end: str, data: st.DataObject
) -> None:
    file = tmp_path_factory.mktemp("edit") / "registry.yaml"
    keys = ["registry: 1", "plugins:", "  a:", "    package: p", "  b: {package: q}"]
    for comment in comments:
        keys.insert(data.draw(st.integers(0, len(keys))), f"#{comment}")
    file.write_bytes(end.join([*keys, ""]).encode())
    for plugin in ("a", "b", "c"):
        set_enabled(file, plugin, False)
        set_enabled(file, plugin, True)
    found = file.read_bytes().decode().split(end)
    added = ["    enabled: true", "  b: {package: q, enabled: true}", "  c: {enabled: true}"]
    assert [line for line in found if line not in added] == [*(key for key in keys if key != "  b: {package: q}"), ""]
    assert all(found.count(line) == 1 for line in added)
