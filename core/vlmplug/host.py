"""The plugin host: typed calls to plugins' hooks, one owner a model type, wrappers of any plugin around it.

Plugins are imported when a hook of theirs is needed for the first time. One that cannot be imported or registered
leaves nothing behind, keeps its error, and hinders no other. Nobody else touches the plugin manager.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pluggy

from vlmplug.conversation import Conversation, ImagePart, PromptOptions
from vlmplug.errors import HookFailedError, HookResultError, PluginLoadError, VlmplugError
from vlmplug.hook_results import HookResults
from vlmplug.hooks import HOOK_API, PROJECT, HookSpecs
from vlmplug.media_option import MediaOption, Medium, check_media_options
from vlmplug.model import EngineInput, FamilyModel, MediaBatch, MediaInput, ModelSource
from vlmplug.plugin_code import PluginCode, culprit, read_code
from vlmplug.prompt import RenderedPrompt
from vlmplug.registry import Registry

_MEDIUM: Mapping[str, Medium] = {"picture": "image", "clip": "video"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Registered:
    """Plugins in a manager of their own. Loading one more makes a new manager, so a failure leaves nothing behind and
    calls that are under way see no change."""

    manager: pluggy.PluginManager
    plugins: Mapping[str, PluginCode] = field(default_factory=dict)

    def with_plugin(self, code: PluginCode) -> _Registered:
        """These plugins and one more.

        :raises PluginLoadError: it cannot be registered.
        """
        plugins = {**self.plugins, code.name: code}
        try:
            return _Registered(_manager(plugins), plugins)
        except (pluggy.PluginValidationError, ValueError) as error:
            problem = " ".join(str(error).split())
            raise PluginLoadError(
                f"Plugin {code.name} cannot be registered: {problem}.",
                f"Its hooks must be those of hook API {HOOK_API}, with their names and arguments.",
            ) from error

    def wrappers_of(self, hook: str) -> list[str]:
        """Plugins with a wrapper around a hook."""
        return [name for name, code in self.plugins.items() if hasattr(code.wrappers, hook)]


class PluginHost:
    """Calls the hooks of the plugins of one registry; usable from several threads."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._registered = _Registered(_manager({}))
        self._errors: dict[str, PluginLoadError] = {}
        self._lock = threading.RLock()

    @property
    def errors(self) -> Mapping[str, PluginLoadError]:
        """Plugins that were tried and could not be loaded, by name."""
        return dict(self._errors)

    def load_model(self, source: ModelSource) -> FamilyModel:
        """Configuration and tokenizer of a checkpoint; see `HookSpecs.load_model`.

        :raises CheckpointError: the folder cannot be used. :raises PluginError: the plugin misbehaved.
        """
        result, results = self._call("load_model", source.family, {"source": source})
        return results.family_model(result, source)

    def render_prompt(self, model: FamilyModel, conversation: Conversation, options: PromptOptions) -> RenderedPrompt:
        """The prompt of a conversation whose media are opened; see `HookSpecs.render_prompt`.

        :raises OptionError: a media option, of the request or of one picture or clip, that the family does not have or
            that is out of range. :raises ConversationError: roles, turns or places do not fit the family.
        :raises PluginError: the plugin misbehaved.
        """
        _check_options(self.registry.family(model.family).media_options, conversation, options)
        arguments = {"model": model, "conversation": conversation, "options": options}
        result, results = self._call("render_prompt", model.family, arguments)
        return results.rendered_prompt(result, len(conversation.media))

    def preprocess_media(self, model: FamilyModel, batch: MediaBatch) -> tuple[MediaInput, ...]:
        """Pixels and token counts of the items of a prompt, in their order; see `HookSpecs.preprocess_media`.

        :raises MediaError: a picture or clip that the family cannot take. :raises PluginError: the plugin misbehaved.
        """
        result, results = self._call("preprocess_media", model.family, {"model": model, "batch": batch})
        return results.media_inputs(result, batch)

    def inject_vision_tokens(
        self, model: FamilyModel, prompt: RenderedPrompt, inputs: tuple[MediaInput, ...]
    ) -> EngineInput:
        """Token ids and the spans of the media; see `HookSpecs.inject_vision_tokens`.

        :raises PluginError: the plugin misbehaved.
        """
        arguments = {"model": model, "prompt": prompt, "inputs": inputs}
        result, results = self._call("inject_vision_tokens", model.family, arguments)
        return results.engine_input(result, model, inputs)

    def load_plugin(self, name: str) -> None:
        """Imports and registers a plugin now; harmless where that is done already.

        :raises PluginLoadError: it cannot be imported or registered; the same error each time, without a second try.
        """
        with self._lock:
            if name in self._errors:
                raise self._errors[name]
            if name not in self._registered.plugins:
                self._load(name)

    def _load(self, name: str) -> None:
        try:
            self._registered = self._registered.with_plugin(read_code(self.registry.plugin(name)))
        except PluginLoadError as error:
            self._errors[name] = error
            raise

    def _load_wrappers(self) -> None:
        for record in self.registry.plugins.values():
            if record.wrappers and record.status == "ready" and record.name not in self._errors:
                try:
                    self.load_plugin(record.name)
                except PluginLoadError as error:
                    _log.warning("Going on without the wrappers of plugin %s: %s", record.name, error)

    def _ready(self, owner: str) -> _Registered:
        """All plugins that have a say in the calls of an owner, loaded."""
        with self._lock:
            self.load_plugin(owner)
            self._load_wrappers()
            return self._registered

    def _call(self, hook: str, family: str, arguments: dict[str, Any]) -> tuple[object, HookResults]:
        """What the owner's hook returned, inside all wrappers, and the checks for it, which name them."""
        owner = self.registry.owner(family).name
        registered = self._ready(owner)
        if not hasattr(registered.plugins[owner].ordinary, hook):
            raise HookResultError(f"Plugin {owner} does not implement {hook}.", f"Implement it, or reinstall {owner}.")
        others = [code.ordinary for name, code in registered.plugins.items() if name != owner]
        around = registered.wrappers_of(hook)
        named = f"{owner} (wrapped by {', '.join(around)})" if around else owner
        try:
            result = registered.manager.subset_hook_caller(hook, others)(**arguments)
        except VlmplugError:
            raise
        except Exception as error:  # the boundary between plugins and everything else
            raise HookFailedError(
                f"{hook} of plugin {culprit(error.__traceback__, registered.plugins) or named} failed: "
                f"{type(error).__name__}: {error}.",
                "Report it to the plugin's authors.",
            ) from error
        return result, HookResults(named, hook)


def _manager(plugins: Mapping[str, PluginCode]) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(HookSpecs)
    for code in plugins.values():
        for name, part in code.parts:
            manager.register(part, name)
    manager.check_pending()
    return manager


def _check_options(declared: Mapping[str, MediaOption], conversation: Conversation, options: PromptOptions) -> None:
    check_media_options(declared, options.media, "the request")
    counts = dict.fromkeys(_MEDIUM, 0)
    for part in conversation.media:
        kind = "picture" if isinstance(part, ImagePart) else "clip"
        counts[kind] += 1
        check_media_options(declared, part.options, f"{kind} {counts[kind]}", _MEDIUM[kind])
