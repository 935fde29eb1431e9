"""The versions of the hook specifications, apart from them so that listing plugins need not import pluggy."""

from __future__ import annotations

#: Version of `vlmplug.hooks`; a manifest names the one its plugin was written for (``api``).
HOOK_API = 1

#: The oldest version whose plugins still run.
OLDEST_API = 1


def runs_api(api: int) -> bool:
    """Whether plugins that were written for this version run here."""
    return OLDEST_API <= api <= HOOK_API


def api_range() -> str:
    """The versions that run here, for messages: ``1``, or ``1 to 3``."""
    return str(HOOK_API) if OLDEST_API == HOOK_API else f"{OLDEST_API} to {HOOK_API}"
