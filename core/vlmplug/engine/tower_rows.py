"""Calling a vision tower: tiles of many media items in, the rows of each item out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from vlmplug.tower_batch import tiles_at_once


@dataclass(frozen=True)
class TowerItem:
    """One media item.

    - ``groups``: its tiles in order, uint8 [tiles, height, width, 3] for each run of tiles of one size.
    - ``grid``: columns and rows of its tiling; None where nothing is cut.
    """

    groups: Sequence[Tensor]
    grid: tuple[int, int] | None = None


@runtime_checkable
class ArrangingTower(Protocol):
    """A tower that puts the rows of a media item together in a way of its own."""

    def arrange(self, rows: Sequence[Tensor], grid: tuple[int, int] | None) -> Tensor:
        """[tokens, hidden] for each tile of one item, in order -> the item's rows [rows, hidden]."""


@runtime_checkable
class ViewingTower(Protocol):
    """A tower that makes the pictures that it looks at itself, of each picture that it is given."""

    def views(self, picture: Tensor) -> Tensor:
        """uint8 [height, width, 3] -> what its ``forward`` takes, [views, height, width, 3]."""


def item_rows(tower: nn.Module, items: Sequence[TowerItem], most: int) -> list[Tensor]:
    """[rows, hidden] for each item, in order.

    Tiles of one size go through the tower together, whosever they are.

    :param tower: see `vlmplug.model.TowerSpec`.
    :param most: tiles of 448 by 448 in one call of the tower; fewer where they are larger.
    """
    groups = [_viewed(tower, item) for item in items]
    owners = [number for number, own in enumerate(groups) for _ in own]
    rows: list[list[Tensor]] = [[] for _ in items]
    for owner, found in zip(owners, _group_rows(tower, [*chain(*groups)], most), strict=True):
        rows[owner].append(found)
    return [_arranged(tower, own, item.grid) for own, item in zip(rows, items, strict=True)]


def _viewed(tower: nn.Module, item: TowerItem) -> Sequence[Tensor]:
    """What goes through the tower for an item."""
    if isinstance(tower, ViewingTower):
        return [tower.views(picture) for group in item.groups for picture in group]
    return item.groups


def _group_rows(tower: nn.Module, groups: Sequence[Tensor], most: int) -> list[Tensor]:
    """[tiles, tokens, hidden] for each group."""
    by_size: dict[torch.Size, list[int]] = defaultdict(list)
    for number, group in enumerate(groups):
        by_size[group.shape[1:]].append(number)
    rows: dict[int, Tensor] = {}
    for numbers in by_size.values():
        tiles = torch.cat([groups[number] for number in numbers])
        size = tiles_at_once(most, *tiles.shape[1:3])
        found = torch.cat([tower(piece) for piece in tiles.split(size)])
        rows |= zip(numbers, found.split([len(groups[number]) for number in numbers]), strict=True)
    return [rows[number] for number in range(len(groups))]


def _arranged(tower: nn.Module, rows: Sequence[Tensor], grid: tuple[int, int] | None) -> Tensor:
    if isinstance(tower, ArrangingTower):
        return tower.arrange([tile for group in rows for tile in group], grid)
    return torch.cat([group.flatten(0, 1) for group in rows])
