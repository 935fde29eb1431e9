"""What it means when a hub says no, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus

from vlmplug.errors import HubAccessError, HubError, HubNotFoundError, HubRateError, HubUnreachableError
from vlmplug.hub.patience import Transient
from vlmplug.hub.repository import Repository
from vlmplug.remedy import OTHER_HUB

_LONGEST = 200
_TRY_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_LOGIN: Mapping[str, str] = {
    "huggingface": "log in with `hf auth login` or set HF_TOKEN",
    "modelscope": "set MODELSCOPE_API_TOKEN",
}


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    - ``file``: path in the repository; None: its listing. ``licence``: where the licence is read; empty: nowhere.
    """

    repository: Repository
    file: str | None = None
    licence: str = ""

    @property
    def place(self) -> str:
        """The words for it in a message."""
        repository = self.repository
        what = f"{self.file} of {repository.id}" if self.file else repository.id
        return f"{what} on {repository.title} ({repository.endpoint})"

    def nonsense(self, problem: str) -> HubError:
        """The error for an answer that is not what the hub's interface promises."""
        return HubError(
            f"{self.place}: {problem}.",
            f"Check that the endpoint (HF_ENDPOINT, MODELSCOPE_ENDPOINT) is a hub, or take {OTHER_HUB}.",
        )


@dataclass(frozen=True)
class Refusal:
    """An answer with an error's status."""

    status: int
    headers: Message | Mapping[str, str]
    body: bytes = b""

    def error(self, asked: Asked, identified: bool) -> HubError | Transient:
        """What to raise; ``identified``: a token was shown."""
        if self.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return Transient("the hub knows fewer bytes than are here", restart=True)
        if self.status in _TRY_AGAIN or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return self._for_now(asked)
        code = self._header("X-Error-Code")
        if self.status == HTTPStatus.UNAUTHORIZED and code == "RepoNotFound" and not identified:
            # Hugging Face says the same about what is private and what is not there.
            return self._not_there(asked, " or is private", f" If it is private, {_LOGIN[asked.repository.hub]}.")
        if self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return self._no_access(asked, identified)
        if self.status == HTTPStatus.NOT_FOUND:
            return self._not_there(asked)
        return HubError(f"{asked.place} was refused: {self._said()}.", f"See {asked.repository.page}.")

    def _for_now(self, asked: Asked) -> Transient:
        wait = self._wait()
        if self.status != HTTPStatus.TOO_MANY_REQUESTS:
            error: HubError = HubUnreachableError(
                f"{asked.place} does not work: {self._said()}.", f"Try again later, or take {OTHER_HUB}."
            )
            return Transient(self._said(), wait=wait, error=error)
        when = f" It asks for {wait:,.0f} seconds." if wait is not None else ""
        error = HubRateError(
            f"{asked.repository.title} wants fewer requests.{when}",
            f"Try again later; {_LOGIN[asked.repository.hub]} for a higher limit. What is here already is kept.",
        )
        return Transient(self._said(), wait=wait, error=error)

    def _no_access(self, asked: Asked, identified: bool) -> HubAccessError:
        repository = asked.repository
        licence = f" (licence: {asked.licence})" if asked.licence else ""
        problem = f"{asked.place} is not given to everybody: {self._said()}."
        if identified:
            return HubAccessError(
                problem,
                f"Open {repository.page} with the account of your token, accept the conditions there{licence} or ask "
                "for access, and check that the token may read it.",
            )
        return HubAccessError(
            problem, f"Open {repository.page}, accept the conditions there{licence}, then {_LOGIN[repository.hub]}."
        )

    def _not_there(self, asked: Asked, more: str = "", hint: str = "") -> HubNotFoundError:
        repository = asked.repository
        if asked.file is not None:
            return HubNotFoundError(f"{asked.place} does not exist{more}.", f"See {repository.page}.{hint}")
        if self._header("X-Error-Code") == "RevisionNotFound":
            return HubNotFoundError(
                f"{repository.id} on {repository.title} has no revision {repository.revision}.",
                f"Take one that {repository.page} shows.",
            )
        return HubNotFoundError(
            f"{asked.place} does not exist{more}, or not at revision {repository.revision}.",
            f"Check {repository.page}.{hint}",
        )

    def _wait(self) -> float | None:
        given = self._header("Retry-After").strip()
        return float(given) if given.isdecimal() and len(given) < 10 else None

    def _said(self) -> str:
        """Status and the hub's own words, fit for a terminal."""
        words = self._header("X-Error-Message") or self._body_message()
        printable = "".join(letter if letter.isprintable() else " " for letter in words)
        shown = " ".join(printable.split())[:_LONGEST].rstrip(".")
        return f"{self.status} {_phrase(self.status)}".rstrip() + (f", {shown}" if shown else "")

    def _body_message(self) -> str:
        try:
            content = json.loads(self.body)
        except (ValueError, RecursionError):
            return ""
        words = content.get("Message") or content.get("error") if isinstance(content, dict) else None
        return words if isinstance(words, str) else ""

    def _header(self, name: str) -> str:
        return str(self.headers.get(name) or "")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
