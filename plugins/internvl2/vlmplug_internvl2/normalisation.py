"""What the tower subtracts from pixels and divides them by."""

from __future__ import annotations

#: Statistics of the official ``build_transform`` (ImageNet), RGB order, after scaling to 0..1.
PIXEL_MEAN = (0.485, 0.456, 0.406)
PIXEL_STD = (0.229, 0.224, 0.225)
