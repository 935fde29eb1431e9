"""The published JSON Schemas: they accept what the readers accept, refuse what they refuse, and know the same keys."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import test_manifest, test_registry_file
from tests.plugin_maker import write_yaml
from vlmplug import manifest, manifest_fields, override, registry_file, signs
from vlmplug.document import read_document
from vlmplug.errors import ManifestError
from vlmplug.manifest import read_manifest
from vlmplug.registry_file import read_registry_file
from vlmplug.schema_files import SCHEMAS, SchemaName, schema_file

ROOT = Path(__file__).resolve().parent.parent
SHIPPED: list[tuple[SchemaName, Path]] = [
    ("registry", ROOT / "registry.yaml"),
    *(("manifest", file) for file in sorted((ROOT / "plugins").glob("*/*/manifest.yaml"))),
]
READERS: dict[SchemaName, Callable[[Path], object]] = {
    "manifest": lambda file: read_manifest(file, "option"),
    "registry": lambda file: read_registry_file(file, "option"),
}


def _whole_pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Exception]:
    """``pattern`` as ECMA-262 has it: there, ``$`` is the very end."""
    if isinstance(instance, str) and not re.search(pattern.replace("$", r"\Z"), instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _whole_pattern})
VALIDATORS = {name: Validator(json.loads(schema_file(name).read_text("utf-8"))) for name in SCHEMAS}


def verdicts(name: SchemaName, file: Path) -> tuple[bool, bool, str]:
    """Whether the schema and the reader accept a file, and what the reader says."""
    accepted = VALIDATORS[name].is_valid(read_document(file).data())
    try:
        READERS[name](file)
    except ManifestError as error:
        return accepted, False, str(error)
    return accepted, True, ""


@pytest.mark.parametrize("name", SCHEMAS)
def test_they_are_schemas_of_the_draft_that_they_name(name: SchemaName) -> None:
    schema = VALIDATORS[name].schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(("name", "file"), SHIPPED, ids=lambda part: str(part).rpartition("/")[2])
def test_what_ships_is_valid(name: SchemaName, file: Path) -> None:
    VALIDATORS[name].validate(read_document(file).data())


FULL = {"manifest": test_manifest.FULL, "registry": test_registry_file.FULL}


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_file_with_every_key_is_valid(tmp_path: Path, name: SchemaName) -> None:
    assert verdicts(name, write_yaml(tmp_path / "file.yaml", FULL[name])) == (True, True, "")


def objects(schema: dict[str, Any], where: str = "") -> dict[str, dict[str, Any]]:
    """The parts of a schema with keys of their own, by place."""
    found = {where: schema} if "properties" in schema and schema.get("additionalProperties") is False else {}
    for section in ("properties", "$defs"):
        for name, part in schema.get(section, {}).items():
            found |= objects(part, f"{where}.{name}".strip("."))
    return found


KEYS = {
    ("manifest", ""): manifest.MANIFEST_KEYS,
    ("manifest", "plugin"): manifest.PLUGIN_KEYS,
    ("manifest", "family"): manifest.FAMILY_KEYS,
    ("manifest", "model_type"): manifest.MODEL_TYPE_KEYS,
    ("manifest", "model_type.licence"): manifest_fields.LICENCE_KEYS,
    ("manifest", "model_type.hub"): manifest_fields.HUB_KEYS,
    ("manifest", "model_type.limits"): manifest_fields.LIMITS_KEYS,
    ("manifest", "media_option"): manifest_fields.MEDIA_OPTION_KEYS,
    ("manifest", "signs"): signs.SIGNS_KEYS,
    ("registry", ""): registry_file.REGISTRY_KEYS,
    ("registry", "plugin"): registry_file.PLUGIN_KEYS,
    ("registry", "owners"): registry_file.OWNERS_KEYS,
    ("registry", "override"): ((), override.OVERRIDABLE),
    ("registry", "override.hub"): manifest_fields.HUB_KEYS,
    ("registry", "override.limits"): manifest_fields.LIMITS_KEYS,
}


def test_readers_and_schemas_know_the_same_keys() -> None:
    described = {(name, where): part for name in SCHEMAS for where, part in objects(VALIDATORS[name].schema).items()}
    assert {
        place: (sorted(part.get("required", ())), sorted(part["properties"])) for place, part in described.items()
    } == {place: (sorted(required), sorted([*required, *others])) for place, (required, others) in KEYS.items()}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_is_described_for_editors(name: SchemaName) -> None:
    for where, part in objects(VALIDATORS[name].schema).items():
        for key, value in part["properties"].items():
            text = value.get("description") or "$ref" in value or "anyOf" in value
            assert text, f"{where}.{key}"


#: What only the reader can see, because it compares values of different places.
READER_ONLY = re.compile(
    r"'blocks\..*' is not valid here|is not a valid default|is already (the model type|an alias)|"
    r"vision_parameters: .* is not a whole number from 0 to 1000\.|\d is larger than \d"
)


def broken(name: SchemaName) -> list[Any]:
    base, table = {
        "manifest": (test_manifest.FULL, test_manifest.BROKEN),
        "registry": (test_registry_file.FULL, test_registry_file.BROKEN),
    }[name]
    return [pytest.param(name, base, place, value, id=said[:60]) for place, value, said in table]


@pytest.mark.parametrize(("name", "base", "place", "value"), [*broken("manifest"), *broken("registry")])
def test_what_the_reader_refuses_the_schema_refuses(
    tmp_path: Path, name: SchemaName, base: str, place: list[str], value: Any
) -> None:
    content = yaml.safe_load(base)
    put(content, place, value)
    by_schema, by_reader, said = verdicts(name, write_yaml(tmp_path / "file.yaml", content))
    assert not by_reader
    assert by_schema == bool(READER_ONLY.search(said)), said


def put(content: Any, place: list[Any], value: Any) -> None:
    for key in place[:-1]:
        content = content[key]
    content[place[-1]] = value


def places(content: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value."""
    if above:
        yield above
    entries = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, part in entries:
        yield from places(part, (*above, key))


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**16),
    st.floats(-2, 1e4, allow_nan=False).map(lambda number: round(number, 3)),
    st.text("aB1 .-_/:>=<~*,\n", max_size=8),
    st.sampled_from(["toy", "text", "integer", "word", ">=1.0", "a/b", "blocks.tower", "required", "x" * 101]),
)
NAMES = st.sampled_from(["toy", "name", "a"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
KEY_NAMES = st.sampled_from(["a", "toy", "verified", "Toy 1", "hub", "words", "range", "title", "requires", "images"])


@st.composite
def mutants(draw: st.DrawFn, name: SchemaName) -> Any:
    """A valid file with one or two values replaced, taken away or added."""
    content = copy.deepcopy(yaml.safe_load(FULL[name]))
    for _ in range(draw(st.integers(1, 2))):
        place = list(draw(st.sampled_from(sorted(places(content), key=str))))
        inner = content
        for key in place[:-1]:
            inner = inner[key]
        action = draw(st.sampled_from(["replace", "remove", "add"]))
        if action == "replace":
            inner[place[-1]] = draw(VALUES)
        elif action == "remove":
            del inner[place[-1]]
        elif isinstance(inner, dict):
            inner[draw(KEY_NAMES)] = draw(VALUES)
    return content


@pytest.mark.parametrize("name", SCHEMAS)
@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_schema_and_reader_agree_on_any_file(tmp_path: Path, name: SchemaName, data: st.DataObject) -> None:
    content = data.draw(mutants(name))
    by_schema, by_reader, said = verdicts(name, write_yaml(tmp_path / "file.yaml", content))
    assert by_schema == by_reader or (by_schema and READER_ONLY.search(said)), said
