"""The hooks of this host, as the API says; changing them is changing the API."""

from __future__ import annotations

from vlmplug.hook_table import hook_table
from vlmplug.hooks import HookSpecs


def test_the_hooks_of_api_1() -> None:
    assert {entry.name: entry.arguments for entry in hook_table(HookSpecs).values()} == {
        "load_model": ("source",),
        "render_prompt": ("model", "conversation", "options"),
        "preprocess_media": ("model", "batch"),
        "inject_vision_tokens": ("model", "prompt", "inputs"),
    }
