"""Where the weights of an official checkpoint go."""

from __future__ import annotations

_LANGUAGE = "llm."
#: Rotary frequencies that old exports hold as buffers; they are computed from the configuration.
_COMPUTED = "rotary_emb.inv_freq"


def route_weight(name: str) -> tuple[str, str]:
    """Part and name inside the part of an official weight: ``llm.x`` is ``x`` of the language model.

    Everything else is the tower's (``vpm.…``, ``resampler.…``), under its own name.
    """
    if name.startswith(_LANGUAGE):
        return ("unused", name) if name.endswith(_COMPUTED) else ("language", name.removeprefix(_LANGUAGE))
    return "vision", name
