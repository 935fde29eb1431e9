"""How people write which repository of a hub they mean: ids, addresses of its page, folders of a hub's cache."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from vlmplug.errors import RegistryError
from vlmplug.light_dataclass import dataclass

HubName = Literal["huggingface", "modelscope"]

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_ID = re.compile(rf"({_PART}/{_PART})(?:@([A-Za-z0-9._/-]{{1,100}}))?")
_SCHEMES: dict[str, HubName] = {"hf": "huggingface", "ms": "modelscope"}
_BARE_HOSTS = ("huggingface.co/", "hf.co/", "hf-mirror.com/", "modelscope.cn/", "www.modelscope.cn/")
#: Words of an address that follow the repository; behind those that are marked stands a revision.
_PAGES = {
    "tree": True,
    "blob": True,
    "resolve": True,
    "raw": True,
    "view": True,
    "commit": True,
    "commits": True,
    "file": False,
    "files": False,
    "summary": False,
    "discussions": False,
    "feedback": False,
}
#: Both hubs' names of the newest state, which is what no revision means.
_NEWEST = ("main", "master")


@dataclass(frozen=True)
class HubReference:
    """A repository; ``hub`` None: either hub's id may be meant. ``revision`` None: the newest."""

    repository: str
    hub: HubName | None = None
    revision: str | None = None


def parse_reference(text: str) -> HubReference | None:
    """The repository that ``Org/Name[@revision]``, ``hf://Org/Name``, ``ms://Org/Name`` or an address means.

    An address of any host is read like one of Hugging Face's pages, so that mirrors work; only hosts called
    ``modelscope`` are read like ModelScope's. None: it is none of these.

    :raises RegistryError: the address of a data set, a space, or a page without a repository.
    """
    scheme, separator, rest = text.partition("://")
    if separator and scheme.lower() in _SCHEMES:
        return _from_id(rest.strip("/"), _SCHEMES[scheme.lower()])
    if separator and scheme.lower() in ("http", "https"):
        return _from_address(text)
    if text.lower().startswith(_BARE_HOSTS):
        return _from_address(f"https://{text}")
    return _from_id(text, None)


def cached_repository(folder: Path) -> HubReference | None:
    """The repository whose copy a folder of a hub's cache is named after; None where it is named otherwise.

    It is a hint for messages and never decides what the folder holds.
    """
    for place in (folder, *folder.parents):
        if match := re.fullmatch(rf"models--({_PART}?)--({_PART})", place.name):
            return HubReference(f"{match[1]}/{match[2]}", "huggingface")
        if "modelscope" in place.parts and place.parent.parent.name in ("hub", "models"):
            return _from_id(f"{place.parent.name}/{place.name.replace('___', '.')}", "modelscope")
    return None


def _from_id(text: str, hub: HubName | None) -> HubReference | None:
    match = _ID.fullmatch(text)
    return HubReference(match[1], hub, _revision(match[2])) if match else None


def _from_address(text: str) -> HubReference:
    from urllib.parse import unquote, urlsplit

    address = urlsplit(text)
    hub: HubName = "modelscope" if "modelscope" in (address.hostname or "") else "huggingface"
    parts = [unquote(part) for part in address.path.split("/") if part]
    if parts and parts[0] in ("datasets", "spaces", "studios"):
        raise RegistryError(f"{text} is no model, but one of the hub's {parts[0]}.", "Give the address of a model.")
    page = next((place for place, part in enumerate(parts) if place >= 2 and part in _PAGES), len(parts))
    found = _from_id("/".join(parts[max(0, page - 2) : page]).removesuffix(".git"), hub)
    if found is None:
        raise RegistryError(f"{text} names no repository.", "Write https://HOST/ORGANISATION/NAME.")
    return HubReference(found.repository, hub, _page_revision(parts[page:]))


def _page_revision(page: list[str]) -> str | None:
    """The revision in ``tree/REVISION/…``; ModelScope writes ``file/view/REVISION/…``."""
    while page and not _PAGES.get(page[0], True):
        page = page[1:]
    return _revision(page[1]) if len(page) > 1 and _PAGES.get(page[0]) else None


def _revision(text: str | None) -> str | None:
    return None if text is None or text in _NEWEST else text
