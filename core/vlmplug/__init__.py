"""A plugin host for vision-language models on one inference engine, lmdeploy's, on CUDA and on the CPU.

>>> import vlmplug
>>> with vlmplug.load("internvl2-tiny") as model:  # doctest: +SKIP
...     print(model.generate("How many shapes are there?", images="examples/shapes.png").text)
There are four shapes.

Each name is imported when it is used for the first time; `vlmplug.errors` holds every error that is raised on purpose.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true; importing typing would take longer than all the rest

if TYPE_CHECKING:
    from vlmplug.answer_stream import Delta
    from vlmplug.chat import Chat
    from vlmplug.conversation import (
        Conversation,
        ImagePart,
        Message,
        PromptOptions,
        TextPart,
        VideoPart,
        assistant_message,
        observation_message,
        system_message,
        user_message,
    )
    from vlmplug.engine.options import EngineOptions, SchedulerOptions
    from vlmplug.errors import VlmplugError
    from vlmplug.grounding import Box
    from vlmplug.host_options import HostOptions
    from vlmplug.hub.options import HubOptions
    from vlmplug.loaded_model import FailedRequest, LoadedModel
    from vlmplug.loading import LoadOptions, aload, load
    from vlmplug.media_policy import MediaPolicy
    from vlmplug.pipeline import Request
    from vlmplug.question import Question
    from vlmplug.sampling import Answer, Sampling, Timings, TokenLogprobs

_HOMES = {
    "answer_stream": ("Delta",),
    "chat": ("Chat",),
    "conversation": (
        "Conversation",
        "ImagePart",
        "Message",
        "PromptOptions",
        "TextPart",
        "VideoPart",
        "assistant_message",
        "observation_message",
        "system_message",
        "user_message",
    ),
    "engine.options": ("EngineOptions", "SchedulerOptions"),
    "errors": ("VlmplugError",),
    "grounding": ("Box",),
    "host_options": ("HostOptions",),
    "hub.options": ("HubOptions",),
    "loaded_model": ("FailedRequest", "LoadedModel"),
    "loading": ("LoadOptions", "aload", "load"),
    "media_policy": ("MediaPolicy",),
    "pipeline": ("Request",),
    "question": ("Question",),
    "sampling": ("Answer", "Sampling", "Timings", "TokenLogprobs"),
}

__all__ = [
    "Answer",
    "Box",
    "Chat",
    "Conversation",
    "Delta",
    "EngineOptions",
    "FailedRequest",
    "HostOptions",
    "HubOptions",
    "ImagePart",
    "LoadOptions",
    "LoadedModel",
    "MediaPolicy",
    "Message",
    "PromptOptions",
    "Question",
    "Request",
    "Sampling",
    "SchedulerOptions",
    "TextPart",
    "Timings",
    "TokenLogprobs",
    "VideoPart",
    "VlmplugError",
    "aload",
    "assistant_message",
    "load",
    "observation_message",
    "system_message",
    "user_message",
]


def __getattr__(name: str) -> object:
    """A public name, imported from its module on first use."""
    from vlmplug.public_names import public_name

    value = globals()[name] = public_name(__name__, _HOMES, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
