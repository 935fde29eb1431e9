"""Cases that need no engine: prompts, prepared pictures, frame numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from PIL import __version__ as pillow_version

from vlmplug.conversation import ImagePart, VideoPart
from vlmplug.errors import GoldenSetError, VlmplugError
from vlmplug.host_options import HostOptions
from vlmplug.media import Picture
from vlmplug.model import MediaInput
from vlmplug.pipeline import Prepared, Preparer, open_preparer
from vlmplug.registry import Registry
from vlmplug.verify import checks
from vlmplug.verify.golden_request import media_request, prompt_request, prompt_string
from vlmplug.verify.goldens import (
    DrawnVideo,
    ExpectedMedia,
    ExpectedSpan,
    GoldenSet,
    PreprocessCase,
    PromptCase,
    VideoCase,
)
from vlmplug.verify.official import official_preparer
from vlmplug.verify.pictures import DrawnClip, blank_clip, drawn_clip, make_picture
from vlmplug.verify.result import CaseResult, Finding, Section, judged, refused, shown_apart


@dataclass
class Models:
    """The models of one set, each loaded at its first use; closing removes their temporary folders."""

    golden: GoldenSet
    registry: Registry
    host: HostOptions | None = None
    _open: dict[str, Preparer | VlmplugError] = field(default_factory=dict, init=False)
    _stack: ExitStack = field(default_factory=ExitStack, init=False)

    def get(self, checkpoint: str) -> Preparer:
        """The model of a tiny checkpoint, or of an official full size.

        :raises VlmplugError: it cannot be loaded; the same error each time.
        """
        if checkpoint not in self._open:
            self._open[checkpoint] = self._load(checkpoint)
        model = self._open[checkpoint]
        if isinstance(model, VlmplugError):
            raise model
        return model

    def close(self) -> None:
        """Forgets all models."""
        self._open.clear()
        self._stack.close()

    def _load(self, name: str) -> Preparer | VlmplugError:
        try:
            if (checkpoint := self.golden.checkpoints.get(name)) is not None:
                return open_preparer(checkpoint.stands_for, checkpoint.folder, self.registry, self.host)
            return self._stack.enter_context(official_preparer(self.golden, name, self.registry, self.host))
        except VlmplugError as error:
            return error


def run_prompts(models: Models, cases: Iterable[PromptCase]) -> Iterator[CaseResult]:
    """Prompt, ids, spans and positions of each conversation."""
    for case in cases:
        yield _run("prompts", case, case.checkpoint, partial(_prompt_findings, models, case))


def run_preprocess(models: Models, cases: Iterable[PreprocessCase]) -> Iterator[CaseResult]:
    """Grid, tiles, tokens, sizes and pixels of each picture."""
    for case in cases:
        yield _run("preprocess", case, case.checkpoint, partial(_picture_findings, models, case))


def run_video(models: Models, cases: Iterable[VideoCase]) -> Iterator[CaseResult]:
    """Frame numbers of each clip, and what is made of its frames where the set looks at them."""
    names = tuple(dict.fromkeys(case.checkpoint for case in models.golden.preprocess))
    for case in cases:
        yield _run("video", case, names[-1] if names else "", partial(_video_findings, models, names, case))


def _run(
    section: Section,
    case: PromptCase | PreprocessCase | VideoCase,
    checkpoint: str,
    find: Callable[[], list[Finding]],
) -> CaseResult:
    result = CaseResult(section, checkpoint, case.id, "not run")
    try:
        findings = find()
    except GoldenSetError:
        raise
    except VlmplugError as error:
        return refused(result, error, case.undefined)
    return shown_apart(result, findings) if case.undefined else judged(result, findings)


def _prompt_findings(models: Models, case: PromptCase) -> list[Finding]:
    prepared = models.get(case.checkpoint).prepare(prompt_request(models.golden, case))
    return prompt_findings(models.golden, case, prepared)


def prompt_findings(golden: GoldenSet, case: PromptCase, prepared: Prepared) -> list[Finding]:
    """Compares a prepared prompt with what the set expects; what it does not say is left out."""
    expect, actual, findings = case.expect, prepared.engine_input, []
    if expect.prompt is not None:
        text = prompt_string(prepared.prompt, golden.image_tag, case.media_ids)
        findings.append(checks.check_prompt(expect.prompt, text))
    if expect.input_ids is not None:
        findings.append(checks.check_ids(expect.input_ids, actual.input_ids))
        findings.append(checks.check_spans(expect.media, spans(case, prepared)))
        length = len(expect.input_ids)
        findings.append(checks.check_positions(expect.position_ids, actual.position_ids, length))
    return findings


def spans(case: PromptCase, prepared: Prepared) -> tuple[ExpectedSpan, ...]:
    """The spans of a prepared prompt, each with the name of its picture or video."""
    items = prepared.prompt.items
    return tuple(
        ExpectedSpan(case.media_ids[items[span.item].part], span.start, span.length)
        for span in prepared.engine_input.spans
    )


def _picture_findings(models: Models, case: PreprocessCase) -> list[Finding]:
    picture = Picture(make_picture(case.picture, models.golden.folder))
    prepared = models.get(case.checkpoint).prepare(media_request(ImagePart(picture), case.options))
    return media_findings(models.golden, case.expect, prepared.engine_input.media)


def _video_findings(models: Models, names: tuple[str, ...], case: VideoCase) -> list[Finding]:
    prepared, seen = _first_that_takes(models, names, case)
    frames = [item.frame for item in prepared.prompt.items if item.frame is not None] or seen
    findings = [] if case.indices is None else [checks.check_sequence("frames", case.indices, frames)]
    if case.expect is not None:
        findings += media_findings(models.golden, case.expect, prepared.engine_input.media)
    return findings


def _first_that_takes(models: Models, names: tuple[str, ...], case: VideoCase) -> tuple[Prepared, list[int]]:
    """The clip, prepared by the first official size that takes clips, and the frames that were read."""
    for name in names:
        clip = _clip(case)
        try:
            return models.get(name).prepare(media_request(VideoPart(clip), case.options)), clip.seen
        except VlmplugError:
            if name == names[-1]:
                raise
    raise GoldenSetError("preprocess.json: frame numbers need at least one picture case, which names a size.")


def _clip(case: VideoCase) -> DrawnClip:
    if isinstance(case.video, DrawnVideo):
        return drawn_clip(case.video, case.id)
    return blank_clip(case.frame_count, case.fps, case.id)


def media_findings(golden: GoldenSet, expect: ExpectedMedia, media: Sequence[MediaInput]) -> list[Finding]:
    """Compares prepared media, all of one picture or clip, with what the set expects; what it does not say is
    left out."""
    findings: list[Finding] = []
    if expect.tiles is not None:
        grid = next((item.grid for item in media if item.grid is not None), None)
        findings.append(checks.check_equal("grid", expect.grid, grid))
        findings.append(checks.check_equal("tiles", expect.tiles, sum(item.tiles for item in media)))
    if expect.tokens is not None:
        findings.append(checks.check_equal("tokens", expect.tokens, sum(item.tokens for item in media)))
    if expect.sizes is not None:
        sizes = [size for item in media for size in item.sizes]
        findings.append(checks.check_sequence("sizes", expect.sizes, sizes))
    if expect.pixels is not None:
        tiles = [tile for item in media for tile in item.normalised_tiles()]
        findings += checks.check_pixels(expect.pixels, tiles, pixel_tolerance(golden, expect))
    return findings


def pixel_tolerance(golden: GoldenSet, expect: ExpectedMedia) -> checks.PixelTolerance:
    """The tolerance of a case: its own, else the set's for this version of Pillow."""
    same = _same_release(golden.versions.get("pillow", ""), pillow_version)
    of_set = golden.tolerance.pixel_abs if same else golden.tolerance.pixel_abs_other_resampler
    values = of_set if expect.pixel_abs is None else expect.pixel_abs
    return checks.PixelTolerance(values, values if expect.statistics_abs is None else expect.statistics_abs)


def _same_release(one: str, other: str) -> bool:
    """Whether two versions are the same in every number that both give (13.0 and 13.0.0 are)."""
    return bool(one) and all(a == b for a, b in zip(one.split("."), other.split("."), strict=False))
