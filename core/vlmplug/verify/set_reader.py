"""Reads a reference set of format 1 from its folder and checks it: keys, types, references between its files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import cast

from vlmplug.conversation import Placement
from vlmplug.errors import GoldenSetError
from vlmplug.verify.case_reader import read_forward, read_preprocess, read_prompts
from vlmplug.verify.goldens import (
    FORMAT,
    ExpectedSpan,
    ForwardCase,
    GoldenCheckpoint,
    GoldenSet,
    PromptCase,
    StoredPicture,
    Tolerance,
)
from vlmplug.verify.json_field import Field, read_json
from vlmplug.verify.picture_reader import read_picture, read_video
from vlmplug.verify.tensors import TensorFile, check_whole, open_tensors

_SET_KEYS = "format family name made_by tolerance placement_default image_tag checkpoints images videos notes"


def read_golden_set(folder: Path) -> GoldenSet:
    """Reads and checks a set.

    :raises GoldenSetError: naming file and key of the first thing that format 1 does not allow.
    """
    golden = _read(folder)
    _check_references(golden)
    _check_tensors(golden, open_tensors(folder / "forward.safetensors"))
    _check_weights(golden)
    return golden


def _read(folder: Path) -> GoldenSet:
    top = read_json(folder, "set.json").fields(_SET_KEYS)
    if top["format"].content != FORMAT:
        raise top["format"].error(f"{top['format'].content!r} is not {FORMAT}.", "Use the vlmplug that knows it.")
    made_by = top["made_by"].fields("code commit versions", "changed_constants weight_seed")
    preprocess, video = read_preprocess(read_json(folder, "preprocess.json"))
    forward, tensors = read_forward(read_json(folder, "forward.json"))
    return GoldenSet(
        folder=folder,
        family=top["family"].text(),
        name=top["name"].text(),
        versions={name: version.text() for name, version in made_by["versions"].members().items()},
        tolerance=_tolerance(top["tolerance"]),
        placement_default=cast(Placement, top["placement_default"].word(("inline", "family"))),
        image_tag=top["image_tag"].text(),
        checkpoints={name: _checkpoint(folder, name, value) for name, value in top["checkpoints"].members().items()},
        pictures={name: read_picture(value) for name, value in top["images"].members().items()},
        videos={name: read_video(value) for name, value in top["videos"].members().items()},
        preprocess=preprocess,
        video=video,
        prompts=_by_key(read_prompts(read_json(folder, "prompts.json"))),
        forward=forward,
        tensors=tensors,
    )


def _tolerance(value: Field) -> Tolerance:
    names = "features_rel logits_rel pixel_abs pixel_abs_other_resampler"
    advice = "logits_abs features_l2_rel global_view_abs"
    fields = value.fields(f"{names} greedy maker_recommendation", advice)
    return Tolerance(**{name: fields[name].number() for name in names.split()})


def _checkpoint(folder: Path, name: str, value: Field) -> GoldenCheckpoint:
    fields = value.fields("path stands_for stop_ids special_ids notes", "extra")
    path = fields["path"].text()
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise fields["path"].error(f"{path!r} leads out of the set.")
    if not (folder / path / "config.json").is_file():
        raise fields["path"].error(f"{path}/config.json is missing.", "Get a complete copy of the set.")
    return GoldenCheckpoint(
        name=name,
        folder=folder / path,
        stands_for=fields["stands_for"].text(),
        stop_ids=fields["stop_ids"].integers(0),
        special_ids={key: part.integer(0) for key, part in fields["special_ids"].members().items()},
    )


def _by_key(cases: Iterable[PromptCase]) -> dict[tuple[str, str], PromptCase]:
    found: dict[tuple[str, str], PromptCase] = {}
    for case in cases:
        if (case.checkpoint, case.id) in found:
            raise GoldenSetError(f"prompts.json: {case.id!r} is there twice for {case.checkpoint!r}.")
        found[case.checkpoint, case.id] = case
    return found


def _check_references(golden: GoldenSet) -> None:
    _check_unique("preprocess.json", [case.id for case in golden.preprocess] + [case.id for case in golden.video])
    _check_values(golden)
    _check_pictures(golden)
    for case in golden.prompts.values():
        where = f"prompts.json: {case.checkpoint} {case.id}"
        _check_known(where, "checkpoint", [case.checkpoint], golden.checkpoints)
        _check_known(where, "picture or video", case.media_ids, [*golden.pictures, *golden.videos])
        _check_spans(where, case)
    for forward in golden.forward:
        where = f"forward.json: {forward.checkpoint} {forward.prompt}"
        if (forward.checkpoint, forward.prompt) not in golden.prompts:
            raise GoldenSetError(f"{where}: there is no such prompt.")
        _check_features(where, forward, golden.prompts[forward.checkpoint, forward.prompt].expect.media)
    for name, video in golden.videos.items():
        _check_known(f"set.json: videos.{name}", "picture", getattr(video, "frames", ()), golden.pictures)


def _check_values(golden: GoldenSet) -> None:
    """A case that counts must have something to compare with."""
    for case in golden.preprocess:
        if not case.undefined and None in (case.expect.tiles, case.expect.tokens, case.expect.sizes):
            raise GoldenSetError(f"preprocess.json: {case.id}: defined, but without tiles, tokens or sizes.")
    for clip in golden.video:
        if not clip.undefined and clip.indices is None:
            raise GoldenSetError(f"preprocess.json: {clip.id}: defined, but without indices.")


def _check_pictures(golden: GoldenSet) -> None:
    for picture in [*golden.pictures.values(), *(case.picture for case in golden.preprocess)]:
        if isinstance(picture, StoredPicture) and not (golden.folder / picture.file).is_file():
            raise GoldenSetError(f"set.json: the picture {picture.file} is missing.", "Get a complete copy of the set.")


def _check_unique(where: str, ids: list[str]) -> None:
    for name in ids:
        if ids.count(name) > 1:
            raise GoldenSetError(f"{where}: the id {name!r} is there twice.")


def _check_known(where: str, kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    known = set(known)
    for name in names:
        if name not in known:
            raise GoldenSetError(f"{where}: there is no {kind} {name!r} in set.json.")


def _check_spans(where: str, case: PromptCase) -> None:
    ids, end = case.expect.input_ids or (), 0
    for span in case.expect.media:
        if span.start < end or span.start + span.length > len(ids):
            raise GoldenSetError(f"{where}: the span at {span.start} overlaps or lies outside of the ids.")
        end = span.start + span.length
    if case.expect.position_ids is not None and len(case.expect.position_ids) != len(ids):
        raise GoldenSetError(f"{where}: {len(case.expect.position_ids)} position ids for {len(ids)} ids.")
    if not case.undefined and (case.expect.prompt is None or case.expect.input_ids is None):
        raise GoldenSetError(f"{where}: defined, but without prompt or ids.")


def _check_features(where: str, case: ForwardCase, media: tuple[ExpectedSpan, ...]) -> None:
    for name, values in (("features", case.features), ("feature_rows", case.feature_rows)):
        if values is not None and len(values) != len(media):
            raise GoldenSetError(f"{where}: {len(values)} {name} for {len(media)} media.")


def _check_tensors(golden: GoldenSet, file: TensorFile) -> None:
    if dict(file.shapes) != dict(golden.tensors):
        different = sorted(set(file.shapes.items()) ^ set(golden.tensors.items()))
        raise GoldenSetError(f"forward.safetensors and forward.json differ in the tensor {different[0][0]!r}.")
    for case in golden.forward:
        _check_known(
            f"forward.json: {case.checkpoint} {case.prompt}",
            "tensor",
            [*(case.features or ()), case.logits],
            file.shapes,
        )


def _check_weights(golden: GoldenSet) -> None:
    """A checkpoint that the engine is to load has its weights, whole; a fault of the set is none of the plugin."""
    for name in dict.fromkeys(case.checkpoint for case in golden.forward):
        folder = golden.checkpoints[name].folder
        files = sorted(folder.glob("*.safetensors"))
        if not files and not any(folder.glob("*.bin")):
            raise GoldenSetError(f"forward.json: {name} has cases, but no weights in {folder}.")
        for file in files:
            check_whole(file)
