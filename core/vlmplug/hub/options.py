"""What a caller may say about hubs, and what the environment says where the caller is silent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

from vlmplug.errors import HubError, OptionError
from vlmplug.hub.progress import Progress, QuietProgress

HubName = Literal["huggingface", "modelscope"]
HubChoice = Literal["auto", "huggingface", "modelscope"]

HUBS: tuple[HubName, ...] = get_args(HubName)
TITLES: Mapping[HubName, str] = {"huggingface": "Hugging Face", "modelscope": "ModelScope"}

_TRUE = ("1", "ON", "YES", "TRUE")
_ENDPOINTS: Mapping[HubName, str] = {"huggingface": "https://huggingface.co", "modelscope": "https://modelscope.cn"}


@dataclass(frozen=True)
class Site:
    """One hub as this user reaches it; None: as the environment says.

    - ``endpoint``: address of the hub or of a mirror (``HF_ENDPOINT``; ``MODELSCOPE_ENDPOINT``).
    - ``cache``: folder of its downloads (``HF_HUB_CACHE``, ``HF_HOME``; ``MODELSCOPE_CACHE``).
    - ``token``: empty for none (``HF_TOKEN`` or the stored login; ``MODELSCOPE_API_TOKEN``).
    """

    endpoint: str | None = None
    cache: Path | None = None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Patience:
    """How long a download puts up with a hub.

    - ``timeout``: seconds without a single byte.
    - ``attempts``: tries in a row that bring nothing new. ``pause``: seconds before the second, doubled each time.
    - ``longest_pause``: most seconds between two tries, also where the hub asks for more.
    """

    timeout: float = 20.0
    attempts: int = 5
    pause: float = 1.0
    longest_pause: float = 60.0


@dataclass(frozen=True)
class HubOptions:
    """Where checkpoints come from.

    - ``hub``: ``auto`` takes Hugging Face, and ModelScope where the manifest does not name the first or it cannot be
      reached.
    - ``revision``: branch, tag or commit instead of the manifest's.
    - ``offline``: whether nothing may be fetched; None: as ``HF_HUB_OFFLINE`` says.
    - ``accept_licence``: whether the licences of weights that have to be accepted are.
    - ``workers``: files that are fetched at the same time.
    """

    hub: HubChoice = "auto"
    revision: str | None = None
    offline: bool | None = None
    accept_licence: bool = False
    huggingface: Site = field(default_factory=Site)
    modelscope: Site = field(default_factory=Site)
    patience: Patience = field(default_factory=Patience)
    progress: Progress = field(default_factory=QuietProgress)
    workers: int = 4

    @property
    def is_offline(self) -> bool:
        """Whether nothing may be fetched."""
        if self.offline is not None:
            return self.offline
        return (_variable("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") or "").upper() in _TRUE

    def endpoint(self, hub: HubName) -> str:
        """Address of a hub, without a slash at its end.

        :raises OptionError: it is no web address.
        """
        given = self._site(hub).endpoint
        address = (given or _endpoint_variable(hub) or _ENDPOINTS[hub]).rstrip("/")
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OptionError(
                f"The endpoint of {TITLES[hub]} is {address!r}.", "Give an address like https://hub.example.org."
            )
        return address

    def cache(self, hub: HubName) -> Path:
        """Folder in which a hub's own programs keep their downloads.

        :raises HubError: the user has no home, and no variable names another place.
        """
        given = self._site(hub).cache
        return given or (_huggingface_cache() if hub == "huggingface" else _modelscope_cache())

    def token(self, hub: HubName) -> str | None:
        """The secret that is shown to a hub, and to no other machine."""
        given = self._site(hub).token
        if given is not None:
            return given or None
        return _huggingface_token() if hub == "huggingface" else _variable("MODELSCOPE_API_TOKEN")

    def _site(self, hub: HubName) -> Site:
        return self.huggingface if hub == "huggingface" else self.modelscope


def _endpoint_variable(hub: HubName) -> str | None:
    if hub == "huggingface":
        return _variable("HF_ENDPOINT")
    address = _variable("MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN")
    return address if address is None or "://" in address else f"https://{address}"


def _huggingface_cache() -> Path:
    """As huggingface_hub finds it, without the second that its import takes."""
    folder = _variable("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")
    if folder is not None:
        return _expanded(folder)
    home = _variable("HF_HOME")
    return (_expanded(home) if home is not None else _user_cache() / "huggingface") / "hub"


def _modelscope_cache() -> Path:
    folder = _variable("MODELSCOPE_CACHE")
    return _expanded(folder) if folder is not None else _home() / ".cache" / "modelscope"


def _huggingface_token() -> str | None:
    """``HF_TOKEN`` or the stored login; the library also renews a login that has run out."""
    from huggingface_hub import constants, get_token

    if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        return _variable("HF_TOKEN")
    return get_token()


def _user_cache() -> Path:
    folder = _variable("XDG_CACHE_HOME")
    return _expanded(folder) if folder is not None else _home() / ".cache"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:
        raise HubError("There is no folder for downloads: the user has no home.", "Set HF_HOME to a folder.") from error


def _expanded(folder: str) -> Path:
    return Path(os.path.expandvars(folder)).expanduser()


def _variable(*names: str) -> str | None:
    return next((value for name in names if (value := os.environ.get(name, "").strip())), None)
