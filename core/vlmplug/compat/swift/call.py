"""What both ways of asking have in common: reading the requests of a call, and what becomes of their errors."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from vlmplug.compat.swift.engine import LmdeployEngine
from vlmplug.compat.swift.generation_config import LmdeployGenerationConfig
from vlmplug.compat.swift.limit import LimitedRequest
from vlmplug.compat.swift.refusal import located, refuse_unknown
from vlmplug.compat.swift.request import RequestDefaults, SwiftRequest, read_request
from vlmplug.compat.swift.response import Response, empty_response
from vlmplug.compat.swift.template import Template, TruncationStrategy, check_strategy
from vlmplug.conversation import PromptOptions
from vlmplug.errors import ContextLengthError, OptionError, PluginError, RequestError, VlmplugError
from vlmplug.pipeline import Prepared

_LOG = logging.getLogger(__name__)

#: Requests that are under way together where the caller says nothing; more would only fill the memory with pixels.
UNDER_WAY = 256

#: What swift's own callers pass. LoRA belongs into the weights.
_KWARGS = ("truncation_strategy", "lora_request")


@dataclass(frozen=True)
class Job:
    """One request of a call: what goes to the engine, and what the caller wrote."""

    index: int
    request: LimitedRequest
    read: SwiftRequest


@dataclass(frozen=True)
class Call:
    """One call: whom it asks, and how.

    :raises OptionError: something of the wrong type, or a parameter that cannot be had.
    """

    engine: LmdeployEngine
    template: Template
    config: LmdeployGenerationConfig
    strategy: TruncationStrategy

    def jobs(self, requests: Sequence[Any], prepared: Callable[[int, Prepared], None]) -> list[Job]:
        """The requests, read.

        :param prepared: is told of each prompt, in the thread that prepares it.
        :raises RequestError: one of them cannot be served; it says which.
        """
        return [self._job(index, request, prepared) for index, request in enumerate(requests)]

    def response(self, job: Job) -> Response:
        """An empty response to a job, to be filled."""
        model = self.engine.hf_tokenizer.preparer.model
        return Response(job.read.dialogue, model, job.request.sampling, self.config.skip_special_tokens)

    def excused(self, job: Job, error: VlmplugError) -> dict[str, Any]:
        """The response to a job that failed because its prompt is too long, where those are passed over.

        :raises VlmplugError: any other error, saying which request it belongs to.
        """
        if isinstance(error, ContextLengthError) and self.strategy == "delete":
            _LOG.warning("request_list[%d] is answered with nothing: %s", job.index, error)
            return empty_response(job.read.dialogue)
        if isinstance(error, RequestError | PluginError):
            raise located(error, f"request_list[{job.index}]") from error
        raise error

    def _job(self, index: int, request: Any, prepared: Callable[[int, Prepared], None]) -> Job:
        model = self.engine.hf_tokenizer.preparer.model
        try:
            read = read_request(request, self._defaults(model.family))
            sampling = self.config.sampling(model.tokenizer, random.getrandbits(31))
        except RequestError as error:
            raise located(error, f"request_list[{index}]") from error
        limits = (self.template.max_length, self.strategy, partial(prepared, index))
        return Job(index, LimitedRequest(read.conversation, read.options, sampling, *limits), read)

    def _defaults(self, family: str) -> RequestDefaults:
        options = PromptOptions("beside", self.template.parse_special_tokens, dict(self.engine.media_options))
        return RequestDefaults(family, self.template.default_system, options)


def call_of(engine: Any, template: Any, requests: Any, config: Any, more: dict[str, Any]) -> Call:
    """A call, after everything that was given to it is looked at.

    :param config: None: the engine's. :param more: what swift's functions take beside their parameters.
    :raises OptionError: something of the wrong type, or a parameter that cannot be had.
    """
    refuse_unknown("inference", more, _KWARGS)
    if not isinstance(engine, LmdeployEngine):
        raise OptionError(f"The engine is a {type(engine).__name__}.", "Make one with get_lmdeploy_engine.")
    if not isinstance(template, Template) or template.tokenizer is None:
        raise OptionError(f"The template is a {type(template).__name__}.", "Make one with get_template.")
    if template.tokenizer.model_type != engine.model_type:
        raise OptionError(
            f"The template is for {template.tokenizer.model_type}, the engine is {engine.model_type}.",
            "Make it with get_template and this engine's hf_tokenizer.",
        )
    if not isinstance(requests, list | tuple):
        raise OptionError(f"request_list is a {type(requests).__name__}.", "Give a list of dicts.")
    config = engine.generation_config if config is None else config
    if not isinstance(config, LmdeployGenerationConfig):
        raise OptionError(
            f"generation_config is a {type(config).__name__}.", "Give an LmdeployGenerationConfig, or None."
        )
    strategy = more.get("truncation_strategy")
    return Call(engine, template, config, check_strategy(strategy or template.truncation_strategy))
