"""The four hooks of a plugin, version 1.

A plugin is a module (or object) whose functions carry ``@hookimpl``. Each model type has one owner: only the owner's
implementation answers. Functions marked ``@hookimpl(wrapper=True)`` of any plugin go around it, for caching,
redaction or metrics. An implementation may take a subset of the arguments. Hooks are stateless: what they need comes
in, what they know goes out, all of it picklable.

An argument that is added does not break a plugin, because it receives only those that it names. What changes the
number `HOOK_API` and what does not is written in docs/hooks.md. What is on its way out is marked with
``warn_on_impl`` or ``warn_on_impl_args`` and a `HookDeprecationWarning`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from vlmplug.hook_api import HOOK_API

if TYPE_CHECKING:
    from vlmplug.conversation import Conversation, PromptOptions
    from vlmplug.model import EngineInput, FamilyModel, MediaBatch, MediaInput, ModelSource
    from vlmplug.prompt import RenderedPrompt

PROJECT = "vlmplug"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class HookSpecs:
    """Specifications; see `PluginHost` for the typed way to call them."""

    @hookspec(firstresult=True)
    def load_model(self, source: ModelSource) -> FamilyModel | None:
        """Reads configuration and tokenizer of a checkpoint, without remote code and without weights.

        :raises CheckpointMismatchError: the folder is not a checkpoint of this family.
        :raises TokenizerError: tokenizer files are missing or broken.
        """

    @hookspec(firstresult=True)
    def render_prompt(
        self, model: FamilyModel, conversation: Conversation, options: PromptOptions
    ) -> RenderedPrompt | None:
        """The official prompt of a conversation whose media are opened, with a slot wherever media go.

        Every picture and clip has a place; one that the family cannot take is an error, never left out. Those of turns
        that the caller's own options leave out are named (`RenderedPrompt.left_out`).

        :raises ConversationError: the family has no such role, turn or combination.
        :raises PlacementError: pictures and their tags do not fit together.
        """

    @hookspec(firstresult=True)
    def preprocess_media(self, model: FamilyModel, batch: MediaBatch) -> tuple[MediaInput, ...] | None:
        """One `MediaInput` for each of ``batch.items``, in their order.

        Pixels are uint8 [tiles, height, width, 3]; tiles of several sizes stand in several such arrays.

        :raises MediaError: a picture or clip that this family cannot take.
        :raises OptionError: a media option out of range.
        """

    @hookspec(firstresult=True)
    def inject_vision_tokens(
        self, model: FamilyModel, prompt: RenderedPrompt, inputs: tuple[MediaInput, ...]
    ) -> EngineInput | None:
        """Token ids with ``placeholder_id`` at the media positions, the spans, and position ids where not 0..n-1.

        Each input has one span of as many positions as it has tokens, or several in a row that have as many together.
        Spans are in order and do not overlap.
        """


__all__ = ["HOOK_API", "PROJECT", "HookSpecs", "hookimpl", "hookspec"]
