"""Where the weights of an official checkpoint go."""

from __future__ import annotations

_VISION = "transformer.vision."
#: Rotary frequencies, which the official code saves as a buffer; they follow from the configuration.
_COMPUTED = "transformer.rotary_pos_emb.inv_freq"


def route_weight(name: str) -> tuple[str, str]:
    """Part and name inside the part of an official weight: ``transformer.vision.x`` is ``x`` of the tower.

    Tower and language model share names (``query_key_value``, ``dense_h_to_4h``) with different layouts, so that the
    prefix alone decides. Everything else is the language model's, under its own name.
    """
    if name == _COMPUTED:
        return "unused", name
    if name.startswith(_VISION):
        return "vision", name.removeprefix(_VISION)
    return "language", name
