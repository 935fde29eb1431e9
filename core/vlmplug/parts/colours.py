"""Statistics of colours that several families centre and scale pixels by, RGB order, after scaling to 0..1."""

from __future__ import annotations

#: OpenAI's CLIP.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
