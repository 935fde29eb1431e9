"""Every error that vlmplug raises on purpose, in one tree.

::

    VlmplugError
    ├── RegistryError              the registry, a manifest, or a name in it
    │   ├── ManifestError          a manifest breaks its schema
    │   ├── UnknownModelTypeError  no plugin offers this model type
    │   ├── NoPluginError          a known model type without a plugin here
    │   ├── AmbiguousModelError    several model types fit, or none of a known family
    │   └── DuplicateNameError     two plugins claim one name
    ├── PluginError                a plugin misbehaved
    │   ├── PluginLoadError        it could not be imported or registered
    │   │   └── RequirementError   a library that it needs is missing or has the wrong version
    │   ├── HookFailedError        one of its hooks raised
    │   ├── HookTimeoutError       one of its hooks did not return in time
    │   └── HookResultError        one of its hooks returned something else than promised
    ├── CheckpointError            the model folder
    │   ├── CheckpointMismatchError  it belongs to another family or model type
    │   ├── TokenizerError         its tokenizer files cannot be read
    │   └── WeightsError           missing, extra or misshapen weights
    ├── RequestError               what the caller asked for
    │   ├── ConversationError      roles, turns, parts
    │   ├── PlacementError         pictures and their tags do not fit together
    │   ├── MediaError             a picture or clip that cannot be read
    │   ├── OptionError            an option that does not exist or is out of range
    │   └── ContextLengthError     more tokens than the model or the engine can hold
    ├── EngineError                the inference engine
    │   ├── EngineOptionError      engine options that do not fit together or this machine
    │   ├── EngineIncompatibleError  an lmdeploy of another shape
    │   ├── EngineMissingError     the extra ``vlmplug[engine]`` is not installed
    │   ├── DeviceError            no such device, or one that cannot be used
    │   ├── EngineMemoryError      too little memory for weights or cache
    │   └── EngineStoppedError     the engine ended while a request was under way
    ├── HubError                   a model hub, or a download from it
    │   ├── HubUnreachableError    no connection, or no answer in time
    │   ├── HubAccessError         the hub wants an account, a token or consent first
    │   ├── HubNotFoundError       no such repository, revision or file
    │   ├── HubRateError           too many requests, for longer than we wait
    │   ├── HubChecksumError       bytes that are not those that the hub promised
    │   ├── HubOfflineError        nothing may be fetched, and it is not on this machine
    │   └── DiskSpaceError         too little free space for what would be written
    ├── InstallError               a plugin that cannot be installed or uninstalled
    ├── GoldenSetError             a reference set that is not of format 1
    └── RecordError                a record of a verification or a measurement

A request that its caller gives up is no error of these: a stream that was closed is at its end, and whoever waits for a
task that was cancelled gets `asyncio.CancelledError`.

Each message says what was wrong, where, what was expected, and how to mend it. ``remedy`` holds the last part on
its own, so that a terminal can show it on a line of its own.
"""

from __future__ import annotations


class VlmplugError(Exception):
    """Root of the tree.

    :param problem: what is wrong and where, one sentence.
    :param remedy: what to do about it, one sentence; empty where there is nothing to do.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem} {self.remedy}".rstrip()


class RegistryError(VlmplugError):
    """The registry, a manifest, or a name in it."""


class ManifestError(RegistryError):
    """A manifest breaks its schema."""


class UnknownModelTypeError(RegistryError):
    """No installed plugin offers this model type."""


class NoPluginError(RegistryError):
    """A known model type that no working plugin carries; the remedy points to what does."""


class AmbiguousModelError(RegistryError):
    """A name, hub id or folder that does not lead to one model type: several fit, or none of a family that is known."""


class DuplicateNameError(RegistryError):
    """Two plugins claim the same name."""


class PluginError(VlmplugError):
    """A plugin misbehaved; the message names it."""


class PluginLoadError(PluginError):
    """A plugin could not be imported or registered."""


class RequirementError(PluginLoadError):
    """A library that a plugin needs is missing or has the wrong version."""


class HookTimeoutError(PluginError):
    """A hook did not return before its deadline; what it returns later is dropped."""


class HookFailedError(PluginError):
    """A hook raised an exception that is not one of ours; the original is the cause."""


class HookResultError(PluginError):
    """A hook returned something else than its specification promises."""


class CheckpointError(VlmplugError):
    """The model folder cannot be used."""


class CheckpointMismatchError(CheckpointError):
    """The model folder belongs to another family or model type."""


class TokenizerError(CheckpointError):
    """The tokenizer files of a model folder cannot be read."""


class WeightsError(CheckpointError):
    """Weights are missing, extra or misshapen."""


class RequestError(VlmplugError):
    """The request cannot be served as it stands; nothing else is affected."""


class ConversationError(RequestError):
    """Roles, turns or parts of a conversation do not fit together."""


class PlacementError(ConversationError):
    """Pictures and the places for them do not fit together."""


class MediaError(RequestError):
    """A picture or clip cannot be read."""


class OptionError(RequestError):
    """An option does not exist, has the wrong type, or is out of range."""


class ContextLengthError(RequestError):
    """More tokens than the model or the engine can hold."""


class EngineError(VlmplugError):
    """The inference engine."""


class EngineOptionError(EngineError):
    """Engine options that do not fit together or this machine."""


class EngineIncompatibleError(EngineError):
    """The installed lmdeploy has another shape than the one vlmplug was written for."""


class EngineMissingError(EngineError):
    """The extra ``vlmplug[engine]`` is not installed."""


class DeviceError(EngineError):
    """A device that does not exist or cannot be used."""


class EngineMemoryError(EngineError):
    """Too little memory for the weights, the cache or a request."""


class EngineStoppedError(EngineError):
    """The engine ended while a request was under way."""


class HubError(VlmplugError):
    """A model hub, or a download from it."""


class HubUnreachableError(HubError):
    """No connection to the hub, or no answer in time."""


class HubAccessError(HubError):
    """The hub wants an account, a token or consent before it gives the files."""


class HubNotFoundError(HubError):
    """The hub has no such repository, revision or file."""


class HubRateError(HubError):
    """The hub wants fewer requests, for longer than we wait."""


class HubChecksumError(HubError):
    """The bytes that came are not those that the hub promised; they were deleted."""


class HubOfflineError(HubError):
    """Nothing may be fetched, and what is needed is not on this machine."""


class DiskSpaceError(HubError):
    """Too little free space for what would be written; nothing was."""


class InstallError(VlmplugError):
    """A plugin cannot be installed or uninstalled."""


class GoldenSetError(VlmplugError):
    """A reference set that is not of format 1."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem, remedy or "Get a complete copy of the set, or mend it there.")


class RecordError(VlmplugError):
    """A record of a verification or a measurement cannot be read or written."""
