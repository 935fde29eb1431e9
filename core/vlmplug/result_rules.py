"""What single values of hooks' results have to be. Exact types: ``True`` is no number, numpy's numbers are no ints."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from vlmplug.model import LengthScaling
from vlmplug.number import is_number


def is_index(value: object) -> bool:
    """A whole number from 0."""
    return type(value) is int and value >= 0


def is_size(value: object) -> bool:
    """A whole number from 1."""
    return type(value) is int and value >= 1


def are_indices(values: object) -> bool:
    """A tuple of whole numbers from 0; told by set operations, because prompts have thousands of them."""
    if not isinstance(values, tuple):
        return False
    return not values or (set(map(type, values)) == {int} and min(values) >= 0)


def is_grid(value: object) -> bool:
    """A tuple of two whole numbers from 1."""
    return isinstance(value, tuple) and len(value) == 2 and all(map(is_size, value))


def are_finite(values: object) -> bool:
    """A tuple of three finite numbers."""
    return isinstance(values, tuple) and len(values) == 3 and all(map(_is_finite, values))


def is_data(value: object) -> bool:
    """A mapping with texts as keys, and values that JSON can hold."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        return False
    try:
        json.dumps(dict(value))
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def is_length_scaling(scaling: object) -> bool:
    """A `LengthScaling` whose fields have their types."""
    if not isinstance(scaling, LengthScaling):
        return False
    switches = (scaling.dynamic_ntk, scaling.log_n)
    return is_size(scaling.trained_length) and scaling.trained_length > 1 and all(type(one) is bool for one in switches)


def _is_finite(value: object) -> bool:
    return is_number(value) and math.isfinite(value)
