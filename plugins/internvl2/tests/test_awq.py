"""AWQ checkpoints in the official layout answer as the float checkpoints that they mean, however requests are run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from plugins.internvl2.tests.awq_cases import ASKED, CASES, PLAIN, AwqFolders, answers, asked, logits, tokens
from tests.reference import ids
from vlmplug.engine.options import EngineOptions
from vlmplug.errors import EngineOptionError, WeightsError
from vlmplug.pipeline import Pipeline

#: Both sides compute in float32 from the same values, in another order.
TOLERANCE = 1e-4
MODES: Mapping[str, EngineOptions] = {
    "plain": EngineOptions("cpu", threads=1, scheduler=PLAIN),
    "chunked": EngineOptions("cpu", threads=1, scheduler=replace(PLAIN, max_prefill_tokens=64)),
    "cached": EngineOptions("cpu", threads=1, scheduler=replace(PLAIN, prefix_caching=True)),
    "two ranks": EngineOptions("cpu", threads=2, tp=2, scheduler=PLAIN),
}
#: Starting workers takes a while.
EACH_MODE = [pytest.param(mode, marks=pytest.mark.slow if MODES[mode].tp > 1 else ()) for mode in MODES]
YI = "Yi, groups of 64"

Written = Callable[[str], AwqFolders]
Opened = Callable[[str, str], Pipeline]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    torch.set_num_threads(1)
    made: dict[str, AwqFolders] = {}

    def make(name: str) -> AwqFolders:
        if name not in made:
            made[name] = CASES[name].write(tmp_path_factory.mktemp("awq"))
        return made[name]

    return make


@pytest.fixture(scope="module")
def opened(written: Written) -> Iterator[Opened]:
    made: dict[tuple[str, str], Pipeline] = {}

    def make(name: str, mode: str) -> Pipeline:
        if (name, mode) not in made:
            made[name, mode] = written(name).open(MODES[mode])
        return made[name, mode]

    yield make
    for pipeline in made.values():
        pipeline.close()


@pytest.mark.parametrize("mode", EACH_MODE)
@pytest.mark.parametrize("name", CASES)
def test_one_by_one(name: str, mode: str, opened: Opened, written: Written) -> None:
    found = answers(opened(name, mode))
    assert tokens(found) == tokens(written(name).expected)
    largest = {key: np.abs(logits(answer)).max() for key, answer in written(name).expected.items()}
    assert all(error <= TOLERANCE * largest[key] for key, error in written(name).errors(found).items())


@pytest.mark.parametrize("mode", EACH_MODE)
@pytest.mark.parametrize("name", CASES)
def test_all_at_once(name: str, mode: str, opened: Opened, written: Written) -> None:
    found = opened(name, mode).generate_batch([asked(key) for key in ASKED])
    assert [ids(answer) for answer in found] == tokens(written(name).expected)


@pytest.mark.parametrize("name", CASES)
def test_from_the_cache(name: str, opened: Opened, written: Written) -> None:
    opened(name, "cached").generate(asked("thirteen tiles"))
    answer = opened(name, "cached").generate(asked("thirteen tiles"))
    assert answer.cached_tokens > answer.media_tokens
    assert answer.token_ids == written(name).expected["thirteen tiles"].token_ids


@pytest.mark.parametrize("name", CASES)
def test_answers_depend_on_what_is_asked(name: str, written: Written) -> None:
    assert len(set(tokens(written(name).expected))) == len(ASKED)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_as_exact_as_that_of_the_float_checkpoint(dtype: str, written: Written) -> None:
    folders, options = written(YI), replace(MODES["plain"], dtype=dtype)  # type: ignore[arg-type]
    with folders.open_plain(options) as pipeline:
        rounding = folders.errors(answers(pipeline))
    with folders.open(options) as pipeline:
        assert max(folders.errors(answers(pipeline)).values()) <= 2 * max(rounding.values())


@pytest.mark.slow
def test_random_weights_do_not_depend_on_the_ranks(written: Written) -> None:
    drawn = []
    for mode in ("plain", "two ranks"):
        with written(YI).open(replace(MODES[mode], weights="random", seed=5)) as pipeline:
            drawn.append(pipeline.generate(asked("one tile")))
    one, two = map(logits, drawn)
    assert np.isfinite(one).all() and one.std() > 0
    assert np.abs(one - two).max() <= TOLERANCE * np.abs(one).max()


def test_ranks_that_cannot_have_whole_groups_are_refused(written: Written) -> None:
    with pytest.raises(EngineOptionError, match="tp is 4, but the inner size, 384, cannot be shared by 4") as caught:
        written(YI).open(EngineOptions("cpu", tp=4))
    assert caught.value.remedy == "Use one of 1, 2."


def test_a_part_of_a_layer_that_is_never_loaded_is_noticed(written: Written, tmp_path: Path) -> None:
    """Integers that nothing overwrites hold what this column does."""
    folder = Path(shutil.copytree(written(YI).awq, tmp_path / "holed"))
    name = "language_model.model.layers.1.mlp.up_proj.qweight"
    file = next(file for file in folder.glob("*.safetensors") if name in load_file(file))
    weights = load_file(file)
    weights[name][:, 3] = -0x21524111
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(WeightsError, match=r"1 weights are missing.*layers\.1\.mlp\.gate_up_proj\.qweight"):
        replace(written(YI), awq=folder).open(MODES["plain"])
