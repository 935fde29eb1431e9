"""Checkpoints from Hugging Face and ModelScope.

They are looked for in the hubs' own caches and downloaded into them, so that one copy serves all programs. A download
goes on where it was cut, is checked against the hub's sizes and checksums, and never runs anything.

``cached_checkpoint`` uses no network and imports next to nothing; ``fetch_checkpoint`` asks the hub.
"""

from __future__ import annotations

from vlmplug.hub.cached import cached_checkpoint
from vlmplug.hub.fetch import FetchPlan, carry_out, fetch_checkpoint, plan_fetch
from vlmplug.hub.options import HubChoice, HubName, HubOptions, Patience, Site
from vlmplug.hub.progress import Progress, QuietProgress

__all__ = [
    "FetchPlan",
    "HubChoice",
    "HubName",
    "HubOptions",
    "Patience",
    "Progress",
    "QuietProgress",
    "Site",
    "cached_checkpoint",
    "carry_out",
    "fetch_checkpoint",
    "plan_fetch",
]
