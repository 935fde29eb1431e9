"""Records of runs for tests."""

from __future__ import annotations

from typing import Any

from vlmplug.file_digest import PluginDigest
from vlmplug.model_build import Build
from vlmplug.run_record import Circumstances, PluginState, RunRecord, Tally

WORDS = {"llm_config.architectures": ["ToyForCausalLM"]}


def run_record(**parts: Any) -> RunRecord:
    """A record of the set ``toy set A`` that passed; ``parts`` replace what it says, about the run as well."""
    run: dict[str, Any] = {
        "device": "cpu",
        "machine": "a processor",
        "dtype": "float32",
        "tp": 1,
        "date": "2026-11-22",
        "command": "vlmplug verify toy --record",
        "versions": {"python": "3.11.7", "vlmplug": "0.1.0"},
    }
    run.update({key: parts.pop(key) for key in list(parts) if key in run})
    facts: dict[str, Any] = {
        "family": "toy",
        "subject": "toy set A",
        "subject_digest": "5" * 64,
        "mode": "hooks",
        "plugin": PluginState("toy", "1.0", PluginDigest("c" * 64, "f" * 64)),
        "run": Circumstances(**run),
        "tallies": (Tally("tiny", "toy-1b", "prompt", 3),),
        "builds": {"toy-1b": Build("plain", WORDS, "d" * 64)},
    }
    return RunRecord(**{**facts, **parts})
