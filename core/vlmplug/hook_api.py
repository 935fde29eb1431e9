"""The version of the hook specifications, apart from them so that listing plugins need not import pluggy."""

from __future__ import annotations

#: Version of `vlmplug.hooks`; a manifest names the one its plugin was written for (``api``).
HOOK_API = 1
