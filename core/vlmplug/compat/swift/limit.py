"""Prompts that may not be longer than so many ids."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from vlmplug.compat.swift.template import TruncationStrategy
from vlmplug.errors import ContextLengthError, OptionError
from vlmplug.host import PluginHost
from vlmplug.model import EngineInput, FamilyModel, MediaSpan
from vlmplug.pipeline import Prepared, Preparer, Request

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class LimitedRequest(Request):
    """A request, and what swift says about the length of its prompt.

    - ``max_length``: ids at the most, media counted; None: as many as the engine takes.
    - ``strategy``: what becomes of a longer one.
    - ``prepared``: is told, in the thread that prepares, how the prompt came out.
    """

    max_length: int | None = None
    strategy: TruncationStrategy = "delete"
    prepared: Callable[[Prepared], None] | None = None


class LimitedPreparer(Preparer):
    """Prepares requests as any preparer does, and keeps to the limits of those that have some."""

    def prepare(self, request: Request) -> Prepared:
        """As `Preparer.prepare`.

        :raises ContextLengthError: the prompt is longer than the request allows, and is not to be cut.
        """
        prepared = super().prepare(request)
        if not isinstance(request, LimitedRequest):
            return prepared
        prepared = replace(prepared, engine_input=_limited(prepared.engine_input, request))
        if request.prepared is not None:
            request.prepared(prepared)
        return prepared


class TruncatingPreparer(Preparer):
    """Cuts the beginning off prompts that leave no room for their answers; a picture that would be cut goes as a whole.

    :param length: tokens that a prompt and its answer may take together; None: what the model allows.
    """

    def __init__(self, host: PluginHost, model: FamilyModel, length: int | None) -> None:
        super().__init__(host, model)
        self._length = model.context_length if length is None else length

    def prepare(self, request: Request) -> Prepared:
        """As `Preparer.prepare`.

        :raises OptionError: the answer may take all the tokens that there are.
        """
        most, answer = self._length - request.sampling.max_new_tokens, request.sampling.max_new_tokens
        if most < 1:
            raise OptionError(
                f"max_new_tokens is {answer}, and prompt and answer may take {self._length} together.",
                "Use fewer, so that there is room for a prompt.",
            )
        prepared = super().prepare(request)
        return replace(prepared, engine_input=_shortened(prepared.engine_input, most))


def _limited(prompt: EngineInput, request: LimitedRequest) -> EngineInput:
    length, most = len(prompt.input_ids), request.max_length
    if most is None:
        return prompt
    if request.strategy == "delete" and length > most:
        raise ContextLengthError(f"The prompt takes {length} tokens, and max_length is {most}.", "Raise max_length.")
    return _shortened(prompt, most)


def _shortened(prompt: EngineInput, most: int) -> EngineInput:
    """A prompt of at most so many ids."""
    length = len(prompt.input_ids)
    if length <= most:
        return prompt
    cut = without_beginning(prompt, length - most)
    _LOG.warning("A prompt of %d tokens was cut to its last %d.", length, len(cut.input_ids))
    return cut


def without_beginning(prompt: EngineInput, count: int) -> EngineInput:
    """A prompt without its first ``count`` ids; a picture that would be cut goes as a whole."""
    cut = {span.item for span in prompt.spans if span.start < count}
    start = max([count, *(span.start + span.length for span in prompt.spans if span.item in cut)])
    kept = [span for span in prompt.spans if span.item not in cut]
    items = list(dict.fromkeys(span.item for span in kept))
    media = [prompt.media[item] for item in items]
    spans = tuple(MediaSpan(items.index(span.item), span.start - start, span.length) for span in kept)
    positions = None if prompt.position_ids is None else prompt.position_ids[start:]
    return EngineInput(prompt.input_ids[start:], spans, tuple(media), positions)
