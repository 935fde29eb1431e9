"""What is asked of a model."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlmplug.conversation import Conversation, PromptOptions
from vlmplug.sampling import Sampling


@dataclass(frozen=True)
class Request:
    """A conversation, how it becomes a prompt, and how it is answered."""

    conversation: Conversation
    options: PromptOptions = field(default_factory=PromptOptions)
    sampling: Sampling = field(default_factory=Sampling)
