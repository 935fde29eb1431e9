"""Which versions of the hook API run here."""

from __future__ import annotations

import pytest

from vlmplug import hook_api


@pytest.mark.parametrize(("oldest", "newest", "shown"), [(1, 1, "1"), (1, 3, "1 to 3"), (2, 3, "2 to 3")])
def test_the_range_that_runs(oldest: int, newest: int, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_api, "OLDEST_API", oldest)
    monkeypatch.setattr(hook_api, "HOOK_API", newest)
    assert [api for api in range(6) if hook_api.runs_api(api)] == list(range(oldest, newest + 1))
    assert hook_api.api_range() == shown


def test_api_1_runs() -> None:
    assert hook_api.runs_api(1)
