"""Progress bars of calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(total: int, wanted: bool) -> Iterator[Callable[[], object]]:
    """A function that tells of one more finished request, on the standard error where that is wanted."""
    if not wanted:
        yield lambda: None
        return
    from tqdm import tqdm

    with tqdm(total=total, dynamic_ncols=True) as bar:
        yield bar.update
