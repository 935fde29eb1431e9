"""Which model type a model folder holds, told by its files alone: architecture, signs of the template, shapes.

Names of folders are never looked at: people rename them, and copies of one model are called like another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vlmplug.config_json import CONFIG, declared_architectures, read_config, remote_classes
from vlmplug.errors import CheckpointError, CheckpointMismatchError
from vlmplug.light_dataclass import dataclass
from vlmplug.model_type import Family, ModelType
from vlmplug.quantisation import QUANTISATION, quantisation_method
from vlmplug.registry import Registry
from vlmplug.remedy import either
from vlmplug.signs import contradictions, shown

#: Keys of ``config.json`` that give the shapes of weights. Training and saving change others.
SHAPE_KEYS = frozenset(
    {
        *("architectures", "norm_type", "qk_normalization", "qkv_bias", "add_qkv_bias"),
        *("hidden_size", "intermediate_size", "ffn_hidden_size", "width", "mlp_ratio", "query_num"),
        *("num_hidden_layers", "num_layers", "layers", "depth"),
        *("num_attention_heads", "num_heads", "heads", "num_key_value_heads", "multi_query_group_num"),
        *("head_dim", "kv_channels"),
        *("vocab_size", "padded_vocab_size", "patch_size", "image_size"),
        *("input_dim", "output_dim", "n_embed", "embed_dim"),
    }
)
#: Fine-tuning adds tokens; everything else of a model stays as it was.
_VOCABULARY = ("vocab_size", "padded_vocab_size")


@dataclass(frozen=True)
class Candidate:
    """A model type that was considered, whether the files fit it, and why."""

    name: str
    fits: bool
    why: str


@dataclass(frozen=True)
class _Comparison:
    """What speaks against a model type: ``shape`` by key, ``signs`` of family and template.

    ``compared``: how many keys of its shape the files have; 0: nothing is known about it. ``absent``: sections that
    they lack.
    """

    entry: ModelType
    signs: tuple[str, ...]
    shape: Mapping[str, str]
    compared: int
    absent: int

    @property
    def agrees(self) -> bool:
        return not self.signs and not self.shape

    @property
    def agrees_but_for_tokens(self) -> bool:
        return not self.signs and {key.rpartition(".")[2] for key in self.shape} <= set(_VOCABULARY)

    @property
    def distance(self) -> tuple[bool, int, int]:
        """The least is the nearest; a section that is not there means more than any numbers in one that is."""
        return not self.compared, self.absent, len(self.signs) + len(self.shape)

    def candidate(self, fits: bool) -> Candidate:
        against = [*self.signs, *self.shape.values()]
        if not against:
            said = "shapes and template agree" if self.compared else "no shapes to compare"
            return Candidate(self.entry.name, fits, said)
        more = f"; {len(against) - 2} more" if len(against) > 2 else ""
        said = "; ".join(against[:2]) + more
        return Candidate(self.entry.name, fits, f"all but added tokens agree ({said})" if fits else said)


def detect_family(registry: Registry, folder: Path, config: Mapping[str, Any]) -> Family:
    """The family of a checkpoint, by its architecture, the classes of its ``auto_map``, and the family's signs.

    :raises CheckpointMismatchError: no family of a working plugin, or more than one, has such checkpoints.
    """
    named = declared_architectures(config)
    found = {family.name: family for family in registry.families_of((*remote_classes(config), *named))}
    against = {family.name: list(contradictions(family.signs, config, folder)) for family in found.values()}
    fitting = [family for family in found.values() if not against[family.name]]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(named) or "none"
    if fitting:
        both = " and ".join(family.name for family in fitting)
        how = either("load(TYPE, folder=…)", "--model TYPE")
        raise CheckpointMismatchError(f"{folder / CONFIG} fits the families {both}.", f"Name a model type: {how}.")
    reasons = "".join(f" It is not {name}: {reason[0]}." for name, reason in against.items())
    raise CheckpointMismatchError(
        f"{folder / CONFIG} names the architecture {listed}, which no family here has.{reasons}",
        f"Families here: {', '.join(registry.families) or 'none'}; `vlmplug plugins list` shows what is not working.",
    )


def detect_types(registry: Registry, family: Family, folder: Path, config: Mapping[str, Any]) -> tuple[Candidate, ...]:
    """Every model type of a family, with whether a checkpoint's files fit it.

    A type whose manifest gives no shape fits only where no other type of the family gives one. Where none agrees
    wholly, those that differ in the size of the vocabulary alone fit: fine-tuning adds tokens.
    """
    types = [entry for entry in registry.model_types.values() if entry.family == family.name]
    compared = [_compare(entry, family, folder, config) for entry in types]
    known = [comparison for comparison in compared if comparison.compared] or compared
    fits = [one for one in known if one.agrees] or [one for one in known if one.agrees_but_for_tokens]
    ranked = sorted(compared, key=lambda one: (one not in fits, one.distance))
    return tuple(one.candidate(one in fits) for one in ranked)


def expected_config(entry: ModelType) -> Mapping[str, Any]:
    """What a model type's ``config.json`` says about shapes, as far as its manifest or its own checkpoint tells."""
    if entry.shape is not None:
        return entry.shape.config
    if entry.checkpoint is None:
        return {}
    try:
        return read_config(entry.checkpoint)
    except CheckpointError:
        return {}


def _compare(entry: ModelType, family: Family, folder: Path, config: Mapping[str, Any]) -> _Comparison:
    signs = family.template_signs.get(entry.template)
    against = tuple(contradictions(signs, config, folder)) if signs is not None else ()
    expected = expected_config(entry)
    pairs = list(_shape_pairs(expected, config))
    if pairs:
        pairs.insert(0, (QUANTISATION, _quantised_otherwise(expected, config)))
    differing = {key: said for key, said in pairs if said}
    absent = sum(said == _no_section(key) for key, said in pairs)
    return _Comparison(entry, against, differing, len(pairs), absent)


def _shape_pairs(expected: Mapping[str, Any], config: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Each key that both have, or section of shapes that one lacks, and how the two differ in it; empty: not at all."""
    for name, value in expected.items():
        key, found = above + name, config.get(name)
        if name == QUANTISATION or key == "architectures":
            continue  # compared as a whole, wherever it stands; and told by the family, which may have several
        if isinstance(value, Mapping) and isinstance(found, Mapping):
            yield from _shape_pairs(value, found, f"{key}.")
        elif isinstance(value, Mapping):
            if _gives_shapes(value):
                yield key, _no_section(key)
        elif name in SHAPE_KEYS and value is not None and found is not None:
            yield key, "" if found == value else f"{key} is {shown(found)}, not {shown(value)}"


def _gives_shapes(section: Mapping[str, Any]) -> bool:
    """Whether a section says anything about shapes; how positions are scaled, for one, does not."""
    return any(
        _gives_shapes(value) if isinstance(value, Mapping) else name in SHAPE_KEYS for name, value in section.items()
    )


def _no_section(key: str) -> str:
    return f"{CONFIG} has no section {key}"


def _quantised_otherwise(expected: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """How two differ in the type of their weights; empty: not at all."""
    found, declared = (quantisation_method(one) or "unquantised" for one in (config, expected))
    return "" if found == declared else f"the weights are {found}, not {declared}"


def differences(entries: Iterable[ModelType]) -> dict[str, str]:
    """By model type, the facts in which these differ from each other; their hub ids where nothing else does."""
    types = list(entries)
    facts = {entry.name: _facts(entry) for entry in types}
    differing = [key for key in _facts(types[0]) if len({told[key] for told in facts.values()}) > 1] if types else []
    kept = [key for key in differing if key != "hub"] or differing
    return {name: ", ".join(f"{key} {told[key]}" for key in kept) for name, told in facts.items()}


def _facts(entry: ModelType) -> dict[str, str]:
    return {
        "template": entry.template,
        "modalities": "+".join(entry.modalities),
        "context length": str(entry.context_length),
        "vision tower": entry.vision_tower,
        "language model": entry.language_model,
        "hub": entry.hub.huggingface or entry.hub.modelscope or "none",
    }
