"""What the flags of ``infer`` stand for."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from vlmplug.cli.commands import program_parser
from vlmplug.cli.infer_flags import engine_options_of, sampling_of, settle_model_flags
from vlmplug.engine.options import EngineOptions
from vlmplug.errors import EngineOptionError, OptionError
from vlmplug.sampling import Sampling, SamplingDefaults


def flags(*words: str) -> argparse.Namespace:
    return program_parser().parse_args(["infer", "question", *words])


@pytest.mark.parametrize(
    ("given", "checkpoint", "expected"),
    [
        ((), SamplingDefaults(), {"temperature": 0.0}),
        ((), SamplingDefaults(do_sample=True), {"temperature": 1.0}),
        ((), SamplingDefaults(do_sample=True, temperature=0.8, top_p=0.8, top_k=40), {"temperature": 0.8, "top_k": 40}),
        ((), SamplingDefaults(do_sample=False, temperature=0.8, top_p=0.5), {"temperature": 0.0, "top_p": 1.0}),
        ((), SamplingDefaults(repetition_penalty=1.1), {"repetition_penalty": 1.1, "temperature": 0.0}),
        (("--temperature=0",), SamplingDefaults(do_sample=True, temperature=0.8), {"temperature": 0.0}),
        (("--temperature=.3", "--top-k=5", "--seed=7"), SamplingDefaults(), {"temperature": 0.3, "top_k": 5}),
        (("--seed=7",), SamplingDefaults(), {"seed": 7}),
        (("--do-sample", "false"), SamplingDefaults(do_sample=True, temperature=0.8), {"temperature": 0.0}),
        (("--do-sample", "false", "--temperature", "0.3"), SamplingDefaults(), {"temperature": 0.0}),
        (("--do-sample", "true"), SamplingDefaults(temperature=0.8), {"temperature": 0.8}),
        (("--do-sample",), SamplingDefaults(do_sample=False), {"temperature": 1.0}),
        (("--stop-words", "a", "b c", "--stop-words=d"), SamplingDefaults(), {"stop_words": ("a", "b c", "d")}),
    ],
)
def test_flags_win_over_the_checkpoint(
    given: tuple[str, ...], checkpoint: SamplingDefaults, expected: dict[str, object]
) -> None:
    sampling = sampling_of(flags("--max-new-tokens", "9", *given), checkpoint, None)
    assert {name: getattr(sampling, name) for name in expected} == expected
    assert sampling.max_new_tokens == 9


def test_a_schema_goes_to_the_sampling() -> None:
    schema = {"type": "object"}
    assert sampling_of(flags(), None, schema) == Sampling(max_new_tokens=1024, json_schema=schema)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), EngineOptions()),
        (("--dtype", "bf16", "--device", "cuda", "--tp", "2"), EngineOptions(device="cuda", dtype="bfloat16", tp=2)),
        (("--dtype", "AUTO"), EngineOptions()),
        (("--dtype", "float32"), EngineOptions(dtype="float32")),
        (("--cache-max-entry-count", "0.4", "--quant-policy", "8"), EngineOptions(cache_share=0.4, quant_policy=8)),
        (("--max-length", "-1"), EngineOptions()),
        (("--max-length", "2048"), EngineOptions(session_length=2048)),
    ],
)
def test_the_engine(words: tuple[str, ...], expected: EngineOptions) -> None:
    assert engine_options_of(flags(*words)) == expected


@pytest.mark.parametrize("words", [("--max-length", "0"), ("--cache-max-entry-count", "1.5"), ("--tp", "0")])
def test_an_engine_that_cannot_be(words: tuple[str, ...]) -> None:
    with pytest.raises(EngineOptionError):
        engine_options_of(flags(*words))


def test_places_of_models(tmp_path: Path) -> None:
    for words, expected in [
        (("--model-type", "a", "--model-id-or-path", str(tmp_path)), (None, "a", tmp_path, None)),
        (("--model-id-or-path", "Org/Name", "--model-revision", "v1"), ("Org/Name", None, None, "v1")),
        (("--model-type", "a", "--model-id-or-path", "Org/Name"), ("Org/Name", "a", None, None)),
        (("--ckpt-dir", str(tmp_path)), (None, None, tmp_path, None)),
        (("--model", "a", "--revision", "v2", "--model-revision", "v1"), ("a", None, None, "v2")),
    ]:
        settled = flags(*words)
        settle_model_flags(settled)
        assert (settled.model, settled.model_type, settled.model_dir, settled.revision) == expected


def test_places_that_contradict(tmp_path: Path) -> None:
    for words in (("--ckpt-dir", "a", "--model-dir", "b"), ("--ckpt-dir", "a", "--model-id-or-path", "Org/Name")):
        with pytest.raises(OptionError, match=r"--ckpt-dir.* name two places"):
            settle_model_flags(flags(*words))
    with pytest.raises(OptionError, match="both name a model"):
        settle_model_flags(flags("--model", "internvl2-2b", "--model-id-or-path", "Org/Name"))
    (tmp_path / "adapter_config.json").touch()
    with pytest.raises(OptionError, match="LoRA"):
        settle_model_flags(flags("--ckpt-dir", str(tmp_path)))


@pytest.mark.parametrize("word", ["perhaps", "2"])
def test_neither_true_nor_false(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        flags("--stream", word)
    assert f"'{word}' is neither true nor false" in capsys.readouterr().err
