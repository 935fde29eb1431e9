"""One line of the doctor's report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

Status = Literal["ok", "note", "warning", "problem"]
Group = Literal["environment", "plugins"]

#: From the best to the worst.
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Check:
    """What was looked at and what came out.

    - ``status``: ``ok``; ``note``: worth knowing; ``warning``: something will not work; ``problem``: mend it first.
    - ``found``, ``needed``: in words, on one line; ``needed`` is empty where nothing is asked for.
    - ``fix``: what to do; empty where there is nothing to do.
    """

    subject: str
    status: Status
    found: str
    needed: str = ""
    fix: str = ""
    group: Group = "environment"

    @property
    def rank(self) -> int:
        """0 for ``ok`` up to 3 for ``problem``."""
        return STATUSES.index(self.status)


@dataclass(frozen=True)
class Probe:
    """Something that can be looked at: its subject, and the function that gives its rows."""

    subject: str
    look: Callable[[], Iterable[Check]]
    group: Group = "environment"

    def rows(self) -> list[Check]:
        """Its rows, each on one line; one that says so where looking itself failed."""
        rows: list[Check] = []
        try:
            for row in self.look():
                rows.append(_on_one_line(row, self.group))
        except Exception as error:  # the doctor outlives whatever it looks at
            rows.append(self._failed(error))
        return rows

    def _failed(self, error: Exception) -> Check:
        found = " ".join(f"This check failed itself: {type(error).__name__}: {error}".split())
        return Check(self.subject, "warning", found, fix="Report it to the authors of vlmplug.", group=self.group)


def _on_one_line(row: Check, group: Group) -> Check:
    found, needed, fix = (" ".join(text.split()) for text in (row.found, row.needed, row.fix))
    return replace(row, found=found, needed=needed, fix=fix, group=group)
