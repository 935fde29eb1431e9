"""The cases of a set: preprocess.json, prompts.json and forward.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, cast, get_args

from vlmplug.verify.goldens import (
    Expectation,
    ExpectedMedia,
    ExpectedPixels,
    ExpectedPrompt,
    ExpectedSpan,
    ForwardCase,
    GoldenMessage,
    GoldenPart,
    PreprocessCase,
    PromptCase,
    StatisticsOver,
    VideoCase,
)
from vlmplug.verify.json_field import Field
from vlmplug.verify.picture_reader import read_picture, read_video

_PREPROCESS_KEYS = "id checkpoint settings image options undefined note expect"
_MEDIA_KEYS = "grid tiles tokens sizes pixels extra"
_PREPROCESS_OPTIONS = "max_num min_num use_thumbnail hd_num max_slice_nums use_image_id"
_VIDEO_OPTIONS = "num_segments bound_seconds labels"
_PROMPT_OPTIONS = (
    "placement chat_format max_window_size hd_num image_argument max_slice_nums use_image_id max_num combine_images"
    " parse_special_tokens"
)
_ROLES = ("system", "user", "assistant", "observation")
_PART_TYPES = ("text", "image", "video")
_PLACEMENTS = ("inline", "family", "beside")


def read_preprocess(top: Field) -> tuple[tuple[PreprocessCase, ...], tuple[VideoCase, ...]]:
    """Picture cases and video entries of preprocess.json.

    :raises GoldenSetError: naming file and key.
    """
    fields = top.fields("cases video extra")
    raw = [value.fields(_PREPROCESS_KEYS) for value in fields["cases"].items()]
    cases = [_preprocess_case(case) for case in raw]
    by_id = {case.id: case for case in cases}
    shared = tuple(_with_shared_pixels(case, part["expect"], by_id) for case, part in zip(cases, raw, strict=True))
    return shared, tuple(_video_case(value) for value in fields["video"].items())


def _preprocess_case(fields: Mapping[str, Field]) -> PreprocessCase:
    return PreprocessCase(
        id=fields["id"].text(),
        checkpoint=fields["checkpoint"].text(),
        picture=read_picture(fields["image"]),
        options=_options(fields["options"], _PREPROCESS_OPTIONS),
        undefined=fields["undefined"].flag(),
        expect=_media(fields["expect"].fields(_MEDIA_KEYS)),
    )


def _with_shared_pixels(case: PreprocessCase, expect: Field, cases: Mapping[str, PreprocessCase]) -> PreprocessCase:
    """The case with the pixels of the case that its ``same_pixels_as`` names."""
    same = expect.members()["extra"].members().get("same_pixels_as")
    if same is None:
        return case
    if same.text() not in cases:
        raise same.error(f"there is no case {same.content!r}.")
    return replace(case, expect=replace(case.expect, pixels=cases[same.text()].expect.pixels))


def _media(fields: Mapping[str, Field]) -> ExpectedMedia:
    extra = fields["extra"].members() if "extra" in fields else {}
    present = {name: field for name, field in {**extra, **fields}.items() if not field.empty}
    return ExpectedMedia(
        grid=_pair(present["grid"]) if "grid" in present else None,
        tiles=present["tiles"].integer(1) if "tiles" in present else None,
        tokens=present["tokens"].integer(1) if "tokens" in present else None,
        sizes=tuple(_pair(size) for size in present["sizes"].items()) if "sizes" in present else None,
        pixels=_pixels(present["pixels"]) if "pixels" in present else None,
        pixel_abs=present["pixel_abs"].number() if "pixel_abs" in present else None,
        statistics_abs=present["mean_std_abs"].number() if "mean_std_abs" in present else None,
    )


def _pixels(value: Field) -> ExpectedPixels:
    fields = value.fields("shape stats_over mean std samples")
    shape = fields["shape"]
    nested = bool(shape.content) and isinstance(shape.items()[0].content, list)
    return ExpectedPixels(
        shapes=tuple(part.integers(1) for part in shape.items()) if nested else (shape.integers(1),),
        over=cast(StatisticsOver, fields["stats_over"].word(get_args(StatisticsOver))),
        mean=fields["mean"].numbers(),
        std=fields["std"].numbers(),
        samples=tuple(_sample(part) for part in fields["samples"].items()),
    )


def _sample(value: Field) -> tuple[int, float]:
    parts = value.items()
    if len(parts) != 2:
        raise value.error("expected [flat index, value].")
    return parts[0].integer(0), parts[1].number()


def _video_case(value: Field) -> VideoCase:
    fields = value.fields("id n_frames fps options undefined expect extra", "video")
    expect = fields["expect"].fields("indices", _MEDIA_KEYS)
    return VideoCase(
        id=fields["id"].text(),
        frame_count=fields["n_frames"].integer(1),
        fps=fields["fps"].number(),
        options=_options(fields["options"], _VIDEO_OPTIONS),
        undefined=fields["undefined"].flag(),
        video=read_video(fields["video"]) if "video" in fields else None,
        indices=None if expect["indices"].empty else expect["indices"].integers(0),
        expect=_media(expect) if "tiles" in expect else None,
    )


def read_prompts(top: Field) -> list[PromptCase]:
    """The conversations of prompts.json.

    :raises GoldenSetError: naming file and key.
    """
    return [_prompt_case(value) for value in top.fields("cases")["cases"].items()]


def _prompt_case(value: Field) -> PromptCase:
    fields = value.fields("id checkpoint messages options undefined expect_is note expect")
    return PromptCase(
        id=fields["id"].text(),
        checkpoint=fields["checkpoint"].text(),
        messages=tuple(_message(message) for message in fields["messages"].items()),
        options=_prompt_options(fields["options"]),
        undefined=fields["undefined"].flag(),
        expect_is=cast(Expectation, fields["expect_is"].word(get_args(Expectation))),
        expect=_expected_prompt(fields["expect"].fields("prompt input_ids media position_ids extra")),
    )


def _prompt_options(value: Field) -> dict[str, Any]:
    options = _options(value, _PROMPT_OPTIONS)
    fields = value.members()
    if "placement" in fields:
        fields["placement"].word(_PLACEMENTS)
    if "parse_special_tokens" in fields:
        fields["parse_special_tokens"].flag()
    return options


def _message(value: Field) -> GoldenMessage:
    fields = value.fields("role content", "metadata tools")
    content = fields["content"]
    return GoldenMessage(
        role=fields["role"].word(_ROLES),
        content=None if content.empty else tuple(_part(part) for part in content.items()),
        extras={name: fields[name].content for name in ("metadata", "tools") if name in fields},
    )


def _part(value: Field) -> GoldenPart:
    kind = cast(Literal["text", "image", "video"], value.fields("type", "text image video")["type"].word(_PART_TYPES))
    return GoldenPart(kind, value.fields(f"type {kind}")[kind].text())


def _expected_prompt(fields: Mapping[str, Field]) -> ExpectedPrompt:
    positions = fields["position_ids"]
    return ExpectedPrompt(
        prompt=None if fields["prompt"].empty else fields["prompt"].text(),
        input_ids=None if fields["input_ids"].empty else fields["input_ids"].integers(-1),
        media=tuple(_span(span) for span in fields["media"].items()),
        position_ids=None if positions.empty else positions.integers(),
    )


def _span(value: Field) -> ExpectedSpan:
    fields = value.fields("id start length")
    return ExpectedSpan(fields["id"].text(), fields["start"].integer(0), fields["length"].integer(1))


def read_forward(top: Field) -> tuple[tuple[ForwardCase, ...], dict[str, tuple[int, ...]]]:
    """The cases of forward.json, and the shapes of its tensors by name.

    :raises GoldenSetError: naming file and key.
    """
    fields = top.fields("cases tensors extra")
    tensors = {name: value.integers(0) for name, value in fields["tensors"].members().items()}
    return tuple(_forward_case(value) for value in fields["cases"].items()), tensors


def _forward_case(value: Field) -> ForwardCase:
    fields = value.fields("prompt checkpoint variant greedy min_margin features feature_rows logits extra")
    features, rows = fields["features"], fields["feature_rows"]
    return ForwardCase(
        prompt=fields["prompt"].text(),
        checkpoint=fields["checkpoint"].text(),
        variant=None if fields["variant"].empty else fields["variant"].text(),
        greedy=fields["greedy"].integers(0),
        min_margin=fields["min_margin"].number(),
        features=None if features.empty else features.texts(),
        feature_rows=None if rows.empty else tuple(_pair(row) for row in rows.items()),
        logits=fields["logits"].text(),
    )


def _pair(value: Field) -> tuple[int, int]:
    return cast("tuple[int, int]", value.integers(0, length=2))


def _options(value: Field, known: str) -> dict[str, Any]:
    return {name: field.content for name, field in value.fields("", known).items()}
