"""What the tower subtracts from pixels and divides them by."""

from __future__ import annotations

#: CLIP's statistics (``transforms.Normalize`` of the official ``visual.py``), RGB, after scaling to 0..1.
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
