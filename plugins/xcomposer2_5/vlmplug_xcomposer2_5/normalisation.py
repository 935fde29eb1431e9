"""What pixels are centred and scaled by, RGB order (CLIP; ``Normalize`` of the official ``vis_processor``)."""

from __future__ import annotations

PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
