"""Position ids: a picture fills some 1600 places of the cache, and takes three positions.

Begin vector p, all patches p + 1, end vector p + 2, what follows counts on from p + 3: that is how the official
``modeling_chatglm.py`` builds them. It takes one picture; with several, each counts on from what stands before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from vlmplug.model import MediaSpan


def position_ids(length: int, spans: Sequence[MediaSpan]) -> tuple[int, ...]:
    """Positions of a prompt of ``length`` tokens, none of whose spans is shorter than three."""
    steps = [1] * length
    for span in spans:
        end = span.start + span.length
        steps[span.start + 2 : end - 1] = [0] * (span.length - 3)
    return tuple(position - 1 for position in accumulate(steps))
