"""How a plugin host treats its plugins: how long they may take, who watches, and what happens to broken ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vlmplug.errors import OptionError
from vlmplug.number import is_number

if TYPE_CHECKING:
    from vlmplug.trace import Tracer

#: Thirty years in seconds; locks cannot wait for ever longer ones.
LONGEST = 1e9


@dataclass(frozen=True)
class HostOptions:
    """Deadlines are in seconds; None: none, and the call runs in the caller's own thread.

    - ``hook_seconds``: for one call of a hook, with all wrappers around it.
    - ``load_seconds``: the same for ``load_model``, which reads tokenizers from slow disks.
    - ``import_seconds``: for the import of one plugin.
    - ``tracer``: told of every import and every call of a hook; None: nobody is.
    - ``strict``: a plugin with wrappers that cannot be loaded stops every call, instead of being left out.
    """

    hook_seconds: float | None = 120.0
    load_seconds: float | None = 300.0
    import_seconds: float | None = 120.0
    tracer: Tracer | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        """:raises OptionError: a deadline that is no positive number."""
        for name in ("hook_seconds", "load_seconds", "import_seconds"):
            seconds = getattr(self, name)
            if seconds is not None and not _is_duration(seconds):
                raise OptionError(f"{name} is {seconds!r}.", "Give seconds above 0, at most 1e9, or None for no limit.")

    def within(self, seconds: float | None) -> HostOptions:
        """The same with one deadline for everything; None: none."""
        return replace(self, hook_seconds=seconds, load_seconds=seconds, import_seconds=seconds)

    def seconds_for(self, hook: str) -> float | None:
        """The deadline for one call of a hook."""
        seconds: float | None = getattr(self, deadline_of(hook))
        return seconds


def deadline_of(hook: str) -> str:
    """The name of the deadline for a hook."""
    return "load_seconds" if hook == "load_model" else "hook_seconds"


def more_time(option: str) -> str:
    """The remedy where a deadline was missed.

    :param option: the deadline, as `HostOptions` calls it.
    """
    where = f"HostOptions({option}=…), or `--plugin-seconds N` at the command line"
    return f"Report it to the plugin's authors, or allow it more time: {where}."


def _is_duration(seconds: object) -> bool:
    return is_number(seconds) and 0 < seconds <= LONGEST
