"""Exceptions of foreign objects in a request, such as an array or a mapping that misbehaves, as errors of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vlmplug.errors import RequestError, VlmplugError
from vlmplug.short_form import short_error


@contextmanager
def as_request_error() -> Iterator[None]:
    """Whatever a request makes of its preparation is that request's affair, and hinders no other of its batch.

    :raises RequestError: an exception that is none of ours came out of it, which is its cause.
    """
    try:
        yield
    except VlmplugError:
        raise
    except Exception as error:  # objects of the caller's may raise anything
        raise RequestError(
            f"The request cannot be prepared: {short_error(error)}.",
            "Check the types of what it holds; `__cause__` of this error says where it came from.",
        ) from error
