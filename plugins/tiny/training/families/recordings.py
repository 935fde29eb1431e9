"""Clips as files have them: of which size, how long, and what is seen where one frame a second is looked at."""

from __future__ import annotations

from dataclasses import dataclass, fields
from random import Random

from training.clips import PER_SECOND, Clip, random_clip
from training.scenes import Canvas, Scene
from vlmplug.parts.frames import each_second

#: Events that come all at once; what comes behind the last frame looked at is not seen.
SUDDEN = ("appears", "disappears", "turns")


@dataclass(frozen=True, slots=True)
class Recording:
    """Size of the frames, and how many the file has, `PER_SECOND` a second."""

    canvas: Canvas
    frames: int

    @property
    def times(self) -> tuple[float, ...]:
        """When the frames are taken that the model looks at, one a second; 0: start, 1: end."""
        chosen = each_second(self.frames, PER_SECOND, self.frames)
        return tuple((number + 0.5) / self.frames for number in chosen)


@dataclass(frozen=True, slots=True)
class RecordedClip(Clip):
    """A clip and how it is recorded."""

    recording: Recording

    @property
    def seen(self) -> tuple[Scene, ...]:
        """The frames that the model looks at."""
        return tuple(self.scene_at(time, self.still.grain + place) for place, time in enumerate(self.recording.times))


def recorded_clip(rng: Random, recording: Recording) -> RecordedClip:
    """A random clip whose event can be seen."""
    drawn = random_clip(rng, recording.canvas)
    parts = {field.name: getattr(drawn, field.name) for field in fields(Clip)}
    first, *_, last = recording.times
    if drawn.event in SUDDEN and not first < drawn.moment <= last:
        parts["moment"] = rng.uniform((first + last) / 2, last)
    return RecordedClip(**parts, recording=recording)
