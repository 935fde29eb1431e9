"""The plugin host: typed calls to plugins' hooks, one owner a model type, wrappers of any plugin around it.

Plugins are imported when a hook of theirs is needed for the first time. One that misbehaves, up to one that never
returns, becomes a typed error that names it, and hinders no other. Nobody else calls hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from vlmplug.conversation import Conversation, ImagePart, PromptOptions
from vlmplug.deadline import DeadlineError, call_within
from vlmplug.errors import ConversationError, HookResultError, HookTimeoutError, PluginLoadError
from vlmplug.hook_call import CURRENT, HookCall
from vlmplug.hook_results import HookResults
from vlmplug.host_options import HostOptions, deadline_of, more_time
from vlmplug.media_limits import check_frames, check_media
from vlmplug.media_option import MediaOption, Medium, check_media_options
from vlmplug.model import EngineInput, FamilyModel, MediaBatch, MediaInput, ModelSource
from vlmplug.plugin_code import PluginCode
from vlmplug.plugin_loader import PluginLoader
from vlmplug.prompt import RenderedPrompt
from vlmplug.registry import Registry
from vlmplug.requirements import raise_unmet, unmet

T = TypeVar("T")

_MEDIUM: Mapping[str, Medium] = {"picture": "image", "clip": "video"}


class PluginHost:
    """Calls the hooks of the plugins of one registry; usable from several threads."""

    def __init__(self, registry: Registry, options: HostOptions | None = None) -> None:
        self.registry = registry
        self.options = options or HostOptions()
        self._loader = PluginLoader(registry, self.options)

    @property
    def errors(self) -> Mapping[str, PluginLoadError]:
        """Plugins that were tried and could not be loaded, by name."""
        return self._loader.errors

    def load_model(self, source: ModelSource) -> FamilyModel:
        """Configuration and tokenizer of a checkpoint; see `HookSpecs.load_model`.

        :raises RequirementError: a library that is installed has another version than the model type needs.
        :raises CheckpointError: the folder cannot be used. :raises PluginError: the plugin misbehaved.
        """
        self._check_versions(source.model_type)
        model = self._call(
            "load_model", source.family, {"source": source}, lambda results, found: results.family_model(found, source)
        )
        longest = self.registry.overridden_context(source.model_type)
        return model if longest is None else replace(model, context_length=min(longest, model.context_length))

    def render_prompt(self, model: FamilyModel, conversation: Conversation, options: PromptOptions) -> RenderedPrompt:
        """The prompt of a conversation whose media are opened; see `HookSpecs.render_prompt`.

        :raises OptionError: a media option, of the request or of one picture or clip, that the family does not have or
            that is out of range. :raises ConversationError: roles, turns or places do not fit the family, or it has no
            words for tools.
        :raises MediaError: media that the model type does not take, or more of them than it takes.
        :raises PluginError: the plugin misbehaved.
        """
        entry = self.registry.model_type(model.model_type)
        _check_options(self.registry.family(model.family).media_options, conversation, options)
        check_media(entry, conversation)
        _check_tools(model, conversation)
        arguments = {"model": model, "conversation": conversation, "options": options}
        media = len(conversation.media)
        prompt = self._call(
            "render_prompt", model.family, arguments, lambda results, found: results.rendered_prompt(found, media)
        )
        check_frames(entry, prompt)
        return prompt

    def preprocess_media(self, model: FamilyModel, batch: MediaBatch) -> tuple[MediaInput, ...]:
        """Pixels and token counts of the items of a prompt, in their order; see `HookSpecs.preprocess_media`.

        :raises MediaError: a picture or clip that the family cannot take. :raises PluginError: the plugin misbehaved.
        """
        arguments = {"model": model, "batch": batch}
        return self._call(
            "preprocess_media", model.family, arguments, lambda results, found: results.media_inputs(found, batch)
        )

    def inject_vision_tokens(
        self, model: FamilyModel, prompt: RenderedPrompt, inputs: tuple[MediaInput, ...]
    ) -> EngineInput:
        """Token ids and the spans of the media; see `HookSpecs.inject_vision_tokens`.

        :raises PluginError: the plugin misbehaved.
        """
        arguments = {"model": model, "prompt": prompt, "inputs": inputs}
        return self._call(
            "inject_vision_tokens",
            model.family,
            arguments,
            lambda results, found: results.engine_input(found, model, inputs),
        )

    def load_plugin(self, name: str) -> PluginCode:
        """The hooks of a plugin, imported and registered now, if that is not done already.

        :raises PluginLoadError: it cannot be imported or registered; the same error each time, without a second try.
        """
        return self._loader.load(name)

    def _check_versions(self, model_type: str) -> None:
        """Versions of what is installed; what is missing may be needed by the engine alone."""
        entry = self.registry.model_types.get(model_type)
        if entry is not None:
            who = f"Model type {model_type} of plugin {entry.plugin}"
            raise_unmet(who, [problem for problem in unmet(entry.requires) if problem.found is not None])

    def _call(
        self, hook: str, family: str, arguments: Mapping[str, Any], check: Callable[[HookResults, object], T]
    ) -> T:
        """What the owner's hook returns inside all wrappers, checked."""
        owner = self.registry.owner(family).name
        caller = self._loader.ready(owner).caller(hook, owner)
        if caller is None:
            raise HookResultError(f"Plugin {owner} does not implement {hook}.", f"Implement it, or reinstall {owner}.")
        call = HookCall(hook, owner, check)
        tracer = self.options.tracer
        with tracer.numbered() if tracer is not None else nullcontext():
            result: T = self._in_time(call, partial(_run, call, caller, arguments))
            return result

    def _in_time(self, call: HookCall, work: Callable[[], T]) -> T:
        seconds = self.options.seconds_for(call.hook)
        try:
            return call_within(seconds, work)
        except DeadlineError:
            call.expired = HookTimeoutError(
                f"{call.hook} of plugin {call.running} did not return within {seconds:g} s.",
                more_time(deadline_of(call.hook)),
            )
            if self.options.tracer is not None:
                self.options.tracer.note(f"!! {call.expired.problem}")
            raise call.expired from None


def _run(call: HookCall, caller: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    token = CURRENT.set(call)
    try:
        return caller(**arguments)
    finally:
        CURRENT.reset(token)


def _check_tools(model: FamilyModel, conversation: Conversation) -> None:
    if conversation.uses_tools and not model.tool_use:
        raise ConversationError(
            f"The conversation uses tools, and the official prompts of {model.model_type} have no words for them.",
            "Describe tools in the system text, and write what they return into the user's.",
        )


def _check_options(declared: Mapping[str, MediaOption], conversation: Conversation, options: PromptOptions) -> None:
    check_media_options(declared, options.media, "the request")
    counts = dict.fromkeys(_MEDIUM, 0)
    for part in conversation.media:
        kind = "picture" if isinstance(part, ImagePart) else "clip"
        counts[kind] += 1
        check_media_options(declared, part.options, f"{kind} {counts[kind]}", _MEDIUM[kind])
