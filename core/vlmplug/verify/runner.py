"""Runs the cases of a set against the plugins that are installed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from vlmplug.errors import GoldenSetError, OptionError, UnknownModelTypeError
from vlmplug.host_options import HostOptions
from vlmplug.nearest import did_you_mean
from vlmplug.registry import Registry, load_registry
from vlmplug.verify.forward_cases import EngineChoice, run_forward
from vlmplug.verify.goldens import ForwardCase, GoldenSet, PreprocessCase, PromptCase, VideoCase
from vlmplug.verify.hook_cases import Models, run_preprocess, run_prompts, run_video
from vlmplug.verify.result import SECTIONS, CaseResult, Section, VerifyReport


@dataclass(frozen=True)
class Selection:
    """Which cases to run; empty: all.

    - ``sections``: of these sections. ``cases``: whose ids match one of these patterns (``*`` and ``?``).
    - ``checkpoints``: of these checkpoints of the set, or names of official sizes.
    """

    sections: tuple[Section, ...] = ()
    cases: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()

    def wants(self, section: Section, case: str, checkpoint: str) -> bool:
        """Whether a case is selected."""
        return (
            (not self.sections or section in self.sections)
            and (not self.cases or any(fnmatchcase(case, pattern) for pattern in self.cases))
            and (not self.checkpoints or checkpoint in self.checkpoints)
        )


@dataclass(frozen=True)
class VerifyOptions:
    """Which cases, how the engine runs, and how hooks are called."""

    selection: Selection = field(default_factory=Selection)
    engine: EngineChoice = field(default_factory=EngineChoice)
    host: HostOptions = field(default_factory=HostOptions)


def verify(
    golden: GoldenSet,
    options: VerifyOptions | None = None,
    registry: Registry | None = None,
    watch: Callable[[CaseResult], None] | None = None,
) -> VerifyReport:
    """Compares what the plugins make of a set's cases with what the set expects.

    :param watch: called with every result as it comes.
    :raises OptionError: the selection names a checkpoint that the set does not have, or fits no case.
    :raises UnknownModelTypeError: no plugin offers any model type of the set.
    :raises GoldenSetError: the set names another family than its model types have, or one of its files is broken.
    """
    options, registry = options or VerifyOptions(), registry or load_registry()
    _check_offered(golden, registry)
    _check_family(golden, registry)
    selected = _selected(golden, options.selection)
    results = []
    for result in _run(golden, selected, options, registry):
        results.append(result)
        if watch is not None:
            watch(result)
    return VerifyReport(golden.name, golden.family, tuple(results), _notes(results))


@dataclass(frozen=True)
class _Selected:
    """The cases that are wanted, by section."""

    prompts: tuple[PromptCase, ...]
    preprocess: tuple[PreprocessCase, ...]
    video: tuple[VideoCase, ...]
    forward: tuple[ForwardCase, ...]


def _selected(golden: GoldenSet, selection: Selection) -> _Selected:
    official = list(dict.fromkeys(case.checkpoint for case in golden.preprocess))
    _check_checkpoints(selection, [*golden.checkpoints, *official])
    wants = selection.wants
    selected = _Selected(
        prompts=tuple(c for c in golden.prompts.values() if wants("prompts", c.id, c.checkpoint)),
        preprocess=tuple(c for c in golden.preprocess if wants("preprocess", c.id, c.checkpoint)),
        video=tuple(c for c in golden.video if any(wants("video", c.id, name) for name in official)),
        forward=tuple(c for c in golden.forward if wants("forward", c.prompt, c.checkpoint)),
    )
    if not any((selected.prompts, selected.preprocess, selected.video, selected.forward)):
        raise OptionError("No case of the set fits the selection.", f"Sections: {', '.join(SECTIONS)}.")
    return selected


def _check_checkpoints(selection: Selection, known: list[str]) -> None:
    for name in selection.checkpoints:
        if name not in known:
            raise OptionError(f"The set has no checkpoint {name!r}.", did_you_mean(name, known))


def _check_offered(golden: GoldenSet, registry: Registry) -> None:
    """Says once what every case of the set would say; a set of which a part can run is run."""
    wanted = list(dict.fromkeys(checkpoint.stands_for for checkpoint in golden.checkpoints.values()))
    if not {*registry.model_types, *registry.aliases, *registry.contested}.isdisjoint(wanted):
        return
    raise UnknownModelTypeError(
        f"No working plugin offers what {golden.name} is about ({', '.join(wanted)}).",
        f"Install a plugin of the family {golden.family}; `vlmplug plugins list` shows what is there.",
    )


def _check_family(golden: GoldenSet, registry: Registry) -> None:
    """The set is about the family whose plugin answers for its model types; families' names are spelled freely."""
    for checkpoint in golden.checkpoints.values():
        entry = registry.model_types.get(registry.aliases.get(checkpoint.stands_for, checkpoint.stands_for))
        if entry is not None and _folded(entry.family) != _folded(golden.family):
            raise GoldenSetError(
                f"set.json: family: the set is about {golden.family!r}, but {entry.name}, which its checkpoint"
                f" {checkpoint.name} stands for, is of the family {entry.family!r}.",
                "Correct `family` or `stands_for` in set.json, or take the set of this family.",
            )


def _folded(family: str) -> str:
    return re.sub(r"[-_.]", "-", family.lower())


def _run(golden: GoldenSet, selected: _Selected, options: VerifyOptions, registry: Registry) -> Iterator[CaseResult]:
    with closing(Models(golden, registry, options.host)) as models:
        yield from run_prompts(models, selected.prompts)
        yield from run_preprocess(models, selected.preprocess)
        yield from run_video(models, selected.video)
    yield from run_forward(golden, selected.forward, options.engine, registry, options.host)


def _notes(results: Iterable[CaseResult]) -> tuple[str, ...]:
    """Why cases were not run, each reason once."""
    return tuple(dict.fromkeys(result.reason for result in results if result.outcome == "not run"))
