"""Media rows are computed from explicit offsets, whatever is batched, chunked or cached."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from lmdeploy.pytorch.multimodal.data_type import MultiModalData

from vlmplug.engine.glue import media_rows


def item(start: int, end: int, *runs: tuple[int, int]) -> MultiModalData:
    """An item whose rows go to ``runs``, counted from its start; without them to all of it."""
    return MultiModalData(data=torch.zeros(1), start=start, end=end, meta={"runs": runs or ((0, end - start),)})


def context(starts: list[int], history: list[int]) -> SimpleNamespace:
    return SimpleNamespace(
        q_start_loc=torch.tensor(starts), vision_inputs=SimpleNamespace(history_lengths=torch.tensor(history))
    )


@pytest.mark.parametrize(
    ("placed", "starts", "history", "rows"),
    [
        ([(0, (3, 6))], [0], [0], [3, 4, 5]),
        ([(0, (3, 5)), (0, (5, 6))], [0], [0], [3, 4, 5]),
        ([(1, (3, 5))], [0, 10], [0, 0], [13, 14]),
        ([(0, (1, 2)), (2, (0, 2))], [0, 4, 9], [0, 0, 0], [1, 9, 10]),
        ([(0, (70, 72))], [0], [64], [6, 7]),
        ([(0, (70, 72)), (1, (130, 131))], [0, 20], [64, 128], [6, 7, 22]),
    ],
    ids=["alone", "touching", "second in batch", "text between", "second chunk", "two chunks in a batch"],
)
def test_rows(
    placed: list[tuple[int, tuple[int, int]]], starts: list[int], history: list[int], rows: list[int]
) -> None:
    items = [(sequence, item(*span)) for sequence, span in placed]
    assert media_rows(items, context(starts, history)).tolist() == rows  # type: ignore[arg-type]


def test_rows_of_an_item_with_text_between_its_runs() -> None:
    items = [(0, item(70, 78, (0, 2), (3, 1), (6, 2))), (1, item(0, 2))]
    found = media_rows(items, context([0, 20], [64, 0]))  # type: ignore[arg-type]
    assert found.tolist() == [6, 7, 9, 12, 13, 20, 21]
