"""Sizes of the pictures that tiny models are shown."""

from __future__ import annotations

from training.scenes import Canvas

#: For families that bring every picture to one size: mostly of that size, others up to twice as large or of 3 to 4.
NEARLY_SQUARE = (
    *[Canvas(112, 112)] * 4,
    *(Canvas(side, side) for side in (84, 96, 128, 144, 168, 224)),
    *(Canvas(width, height) for width, height in ((112, 84), (128, 112), (144, 112), (160, 120))),
    *(Canvas(width, height) for width, height in ((84, 112), (112, 128), (112, 144), (120, 160))),
)

#: For families that enlarge all pictures, so that large ones are the sharper ones.
ENLARGED = (*NEARLY_SQUARE, *(Canvas(side, side) for side in (224, 280, 280, 336, 336, 448)))

#: For MiniCPM-V with a trained side of 112 and up to four cells: sizes that are not cut, in three shapes; of 2 to 1,
#: cut in two; of 4 to 3, cut in two; and large squares, cut in four. All their slices together have seven sizes.
SLICED = (
    *[Canvas(112, 112)] * 5,
    *(Canvas(side, side) for side in (84, 96, 104, 104)),
    *(Canvas(width, height) for width, height in ((126, 98), (98, 126), (108, 84), (84, 108))),
    *(Canvas(width, height) for width, height in ((224, 112), (112, 224), (192, 96), (96, 192))),
    *(Canvas(width, height) for width, height in ((160, 120), (120, 160))),
    *(Canvas(side, side) for side in (176, 200, 224, 280, 336)),
)
