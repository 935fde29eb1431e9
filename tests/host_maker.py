"""Makes plugin hosts for tests: a family ``toy``, plugins around it, and models loaded from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.plugin_maker import TOY_HOOKS, manifest, packages, registry_of, toy_manifest, write_plugin
from vlmplug.checkpoint import open_source
from vlmplug.conversation import Conversation, user_message
from vlmplug.host import PluginHost
from vlmplug.host_options import HostOptions
from vlmplug.model import FamilyModel
from vlmplug.registry import Registry

HI = Conversation((user_message("hi"),))

#: A wrapper around ``render_prompt`` that does nothing, for tests that replace its lines.
WRAPPER = """
from vlmplug.hooks import hookimpl

@hookimpl(wrapper=True)
def render_prompt(model):
    prompt = yield
    return prompt
"""


def load(
    registry: Registry, checkpoint: Path, model_type: str = "toy-1b", options: HostOptions | None = None
) -> tuple[PluginHost, FamilyModel]:
    """A host, and a model loaded by it."""
    host = PluginHost(registry, options)
    return host, host.load_model(open_source(registry, model_type, checkpoint))


def with_toy(tmp_path: Path, name: str, hooks: str, **parts: Any) -> Registry:
    """A registry with the family ``toy`` and a second plugin with these hooks."""
    write_plugin(tmp_path, "toy", toy_manifest(), TOY_HOOKS)
    write_plugin(tmp_path, name, manifest(name, hooks=f"{name}_plugin.hooks", **parts), hooks)
    return registry_of(tmp_path, packages("toy", name))


def toy(tmp_path: Path, hooks: str = TOY_HOOKS, **parts: Any) -> Registry:
    """A registry with the family ``toy`` alone; ``parts`` as for `toy_manifest`."""
    write_plugin(tmp_path, "toy", toy_manifest(**parts), hooks)
    return registry_of(tmp_path, packages("toy"))


def failing(line: str) -> str:
    """The toy hooks, where ``render_prompt`` does something else."""
    head, name, _ = TOY_HOOKS.partition("@hookimpl\ndef render_prompt(model, conversation):\n")
    return f"{head}{name}    {line}\n"
