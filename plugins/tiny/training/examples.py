"""Writes the pictures and the clip that ship as examples, from seeds that training never used.

python -m training.examples --out ../../examples
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random

import cv2
import numpy as np

from training.clips import PER_SECOND, Clip, random_clip
from training.differences import difference_answer
from training.drawing import draw
from training.occurrences import event_answer
from training.pairs import Pair, random_pair
from training.phrases import described
from training.scenes import Canvas, Scene, random_scene

#: Size of the pictures, of the clip, and the clip's length.
PICTURE, FRAME = Canvas(336, 336), Canvas(160, 120)
FRAMES = 24

README = f"""# Example pictures

`shapes.png`, `pair_before.png`, `pair_after.png` and `clip.mp4` were drawn by the scene generator that made the
training data of internvl2-tiny, from seeds that its training never used: in `plugins/tiny`, run
`python -m training.examples --out ../../examples` (needs OpenCV to write the clip).

The pictures have {PICTURE.width} x {PICTURE.height} pixels; the model sees each as four tiles and a thumbnail. The
clip has {FRAMES} frames of {FRAME.width} x {FRAME.height} pixels, {PER_SECOND} a second, in MPEG-4 part 2; the model
sees eight of them. `demo.py` asks about all of them.

| file | what it shows |
|---|---|
"""


def find_scene() -> Scene:
    """The first scene of four items, of four colours and four shapes."""
    scenes = (random_scene(Random(f"example/{n}"), PICTURE) for n in count())
    return replace(next(filter(unlike, scenes)), noise=0)


def unlike(scene: Scene) -> bool:
    return len(scene.items) == len({i.colour for i in scene.items}) == len({i.shape for i in scene.items}) == 4


def find_pair() -> Pair:
    """The first pair of three items in which a colour changes."""
    pairs = (random_pair(Random(f"example/{n}"), PICTURE) for n in count())
    pair = next(pair for pair in pairs if pair.change == "colour" and len(pair.first.items) == 3)
    return replace(pair, first=replace(pair.first, noise=0), second=replace(pair.second, noise=0))


def find_clip() -> Clip:
    """The first clip in which something moves to the right past something still."""
    clips = (random_clip(Random(f"example/{n}"), FRAME) for n in count())
    clip = next(clip for clip in clips if clip.event == "right" and len(clip.still.items) == 1)
    return replace(clip, still=replace(clip.still, noise=0))


def write_clip(clip: Clip, path: Path, frames: int = FRAMES) -> None:
    """MPEG-4 part 2 in an MP4 file, of an even width and height; ``PER_SECOND`` frames a second.

    :raises OSError: this OpenCV cannot write it.
    """
    canvas = clip.still.canvas
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), PER_SECOND, (canvas.width, canvas.height))
    if not writer.isOpened():
        raise OSError(f"{path} cannot be written: this OpenCV has no MPEG-4 encoder.")
    for frame in clip.frames(frames):
        writer.write(np.asarray(draw(frame))[..., ::-1])
    writer.release()


def table(pictures: Mapping[str, Scene], pair: Pair, clip: Clip) -> str:
    """What each file shows, as a Markdown table."""
    rows = [(name, described(picture)) for name, picture in pictures.items()]
    rows += [("both of the pair", difference_answer(pair)), ("clip.mp4", event_answer(clip))]
    return "".join(f"| {name} | {text} |\n" for name, text in rows)


def write_examples(folder: Path) -> None:
    """Pictures, clip and README."""
    pair, clip = find_pair(), find_clip()
    pictures = {"shapes.png": find_scene(), "pair_before.png": pair.first, "pair_after.png": pair.second}
    for name, picture in pictures.items():
        draw(picture).save(folder / name, optimize=True)
    write_clip(clip, folder / "clip.mp4")
    (folder / "README.md").write_text(README + table(pictures, pair, clip), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    write_examples(parser.parse_args().out)


if __name__ == "__main__":
    main()
