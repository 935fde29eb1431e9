"""Runs the cases of a set against the plugins that are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from vlmplug.errors import OptionError
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

    def section(self, name: Section) -> bool:
        """Whether a section is wanted."""
        return not self.sections or name in self.sections

    def case(self, id_: str, checkpoint: str) -> bool:
        """Whether a case is wanted."""
        matches = not self.cases or any(fnmatchcase(id_, pattern) for pattern in self.cases)
        return matches and (not self.checkpoints or checkpoint in self.checkpoints)


@dataclass(frozen=True)
class VerifyOptions:
    """Which cases, and how the engine runs."""

    selection: Selection = field(default_factory=Selection)
    engine: EngineChoice = field(default_factory=EngineChoice)


def verify(
    golden: GoldenSet,
    options: VerifyOptions | None = None,
    registry: Registry | None = None,
    watch: Callable[[CaseResult], None] | None = None,
) -> VerifyReport:
    """Compares what the plugins make of a set's cases with what the set expects.

    :param watch: called with every result as it comes.
    :raises OptionError: the selection names a checkpoint that the set does not have, or fits no case.
    """
    options, registry = options or VerifyOptions(), registry or load_registry()
    selected = _selected(golden, options.selection)
    results = []
    for result in _run(golden, selected, options.engine, registry):
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
    _check_checkpoints(golden, selection)
    official = {case.checkpoint for case in golden.preprocess}
    shown = not selection.checkpoints or not official.isdisjoint(selection.checkpoints)
    selected = _Selected(
        prompts=tuple(_chosen(selection, "prompts", golden.prompts.values(), lambda c: (c.id, c.checkpoint))),
        preprocess=tuple(_chosen(selection, "preprocess", golden.preprocess, lambda c: (c.id, c.checkpoint))),
        video=tuple(c for c in _chosen_videos(golden, selection) if shown),
        forward=tuple(_chosen(selection, "forward", golden.forward, lambda c: (c.prompt, c.checkpoint))),
    )
    if not any((selected.prompts, selected.preprocess, selected.video, selected.forward)):
        raise OptionError("No case of the set fits the selection.", f"Sections are {', '.join(SECTIONS)}.")
    return selected
