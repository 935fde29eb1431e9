"""``plugins list`` shows every plugin, and what is wrong with those that do not work."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run


def test_working_plugins(run: Run) -> None:
    records = {record["plugin"]: record for record in run("plugins", "list", "--json").json}
    record = records["internvl2"]
    assert (record["status"], record["distribution"]) == ("ready", "vlmplug-internvl2")
    assert record["hooks"] == "vlmplug_internvl2.hooks"
    assert record["families"] == ["internvl2"]
    assert "internvl2-2b" in record["model_types"]
    assert record["error"] is None
    assert records["tiny"]["hooks"] is None
    assert records["tiny"]["model_types"] == ["internvl2-tiny"]


def test_the_table(run: Run) -> None:
    ran = run("plugins", "list")
    header, *lines = ran.out.splitlines()
    assert header.split() == ["PLUGIN", "STATUS", "VERSION", "FROM", "HOOKS", "MODEL", "TYPES"]
    assert [line.split()[:2] for line in lines if line.startswith("tiny")] == [["tiny", "ready"]]
    assert ran.code == 0


def test_what_is_wrong_and_how_to_mend_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sick.yaml").write_text("manifest: 1\nplugin: {name: sick}\n")
    file = tmp_path / "registry.yaml"
    file.write_text(
        "registry: 1\nplugins:\n"
        "  sick: {manifest: sick.yaml}\n  gone: {package: not_installed}\n  tiny: {enabled: false}\n"
    )
    text = run("--registry", file, "plugins", "list")
    assert text.code == 0
    assert "sick: " in text.out
    assert "'api'" in text.out
    assert "fix: " in text.out
    records = {record["plugin"]: record for record in run("--registry", file, "plugins", "list", "--json").json}
    assert {name: records[name]["status"] for name in ("sick", "gone", "tiny", "internvl2")} == {
        "sick": "broken",
        "gone": "missing",
        "tiny": "off",
        "internvl2": "ready",
    }
    assert records["sick"]["error"]
    assert records["gone"]["fix"]
