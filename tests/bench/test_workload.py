"""What a benchmark asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vlmplug.bench.workload import Workload
from vlmplug.conversation import ImagePart
from vlmplug.errors import OptionError
from vlmplug.pipeline import Request

SIZES = ((40, 20), (30, 30))


def made(folder: Path, more: int = 0, **changes: Any) -> tuple[Request, ...]:
    workload = Workload(**{"requests": 3, "images": 1, "image_sizes": SIZES, "prompt_tokens": 9, **changes})
    return workload.made(str.split, folder, more)


def files(request: Request) -> list[Path]:
    found = [part.source for part in request.conversation.media if isinstance(part, ImagePart)]
    return [Path(str(source)) for source in found]


def text(request: Request) -> str:
    return request.conversation.messages[-1].text


@pytest.mark.parametrize(("images", "more"), [(0, 0), (1, 2), (3, 0)])
def test_requests_with_their_pictures(images: int, more: int, tmp_path: Path) -> None:
    requests = made(tmp_path, more, images=images)
    assert len(requests) == 3 + more
    assert [len(files(request)) for request in requests] == [images] * (3 + more)
    names = [file for request in requests for file in files(request)]
    assert len({file.read_bytes() for file in names}) == len(names)
    sizes = [file.name.partition("-")[0] for file in names]
    assert sizes == [f"{width}x{height}" for width, height in (SIZES * len(names))[: len(names)]]


def test_every_text_is_another_one_of_the_length_that_was_asked_for(tmp_path: Path) -> None:
    texts = [text(request) for request in made(tmp_path, 2)]
    assert len(set(texts)) == 5
    assert {len(one.split()) for one in texts} == {9}


def test_a_given_text_stays_as_it_is(tmp_path: Path) -> None:
    assert {text(request) for request in made(tmp_path, text="What is it?")} == {"What is it?"}


def test_answers_have_the_length_that_was_asked_for_and_options_reach_the_family(tmp_path: Path) -> None:
    (request, *_) = made(tmp_path, max_new_tokens=7, media_options={"max_num": 2})
    assert (request.sampling.max_new_tokens, request.sampling.ignore_stop, request.sampling.greedy) == (7, True, True)
    assert request.options.media == {"max_num": 2}


def test_the_seed_decides(tmp_path: Path) -> None:
    first, second, other = (made(tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert [text(request) for request in first] == [text(request) for request in second]
    assert text(first[0]) != text(other[0])
    assert files(first[0])[0].read_bytes() == files(second[0])[0].read_bytes() != files(other[0])[0].read_bytes()


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"requests": 0}, "requests is 0"),
        ({"images": -1}, "images is -1"),
        ({"prompt_tokens": 0}, "prompt_tokens is 0"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"requests": 10**9}, "from 1 to 1,000,000"),
        ({"image_sizes": ()}, "no size"),
        ({"image_sizes": ((0, 7),)}, "0x7 are impossible"),
        ({"image_sizes": ((100_000, 100_000),)}, "178,956,970 pixels"),
        ({"images": 0, "text": " "}, "question is empty"),
    ],
)
def test_what_makes_no_sense(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        Workload(**wrong)
