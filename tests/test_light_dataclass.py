"""Light dataclasses do what those of the standard library do, and cost less to define."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import pytest

from vlmplug.light_dataclass import dataclass, field, replace


@dataclass(frozen=True)
class Light:
    """One of ours."""

    name: str
    size: int = 1
    words: Mapping[str, int] = field(default_factory=dict)

    @property
    def double(self) -> int:
        """A property like any other."""
        return 2 * self.size

    @cached_property
    def computed(self) -> list[int]:
        """Kept in the instance, though it is frozen."""
        return [self.size]


@dataclasses.dataclass(frozen=True)
class Standard:
    """The same by the standard library."""

    name: str
    size: int = 1
    words: Mapping[str, int] = dataclasses.field(default_factory=dict)


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("a",), {}),
    (("a", 2), {}),
    (("a", 2, {"b": 3}), {}),
    ((), {"name": "a"}),
    (("a",), {"words": {"b": 1}}),
    ((), {"words": {}, "size": 5, "name": "a"}),
    ((), {}),
    ((), {"size": 1}),
    (("a", 2, {}, 4), {}),
    (("a",), {"name": "b"}),
    (("a",), {"colour": "red"}),
    ((), {"colour": "red"}),
]


@pytest.mark.parametrize(("values", "named"), CALLS)
def test_it_takes_and_refuses_the_same_arguments(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    def made(cls: Callable[..., Any]) -> Any:
        try:
            return vars(cls(*values, **named))
        except TypeError:
            return "refused"

    assert made(Light) == made(Standard)


@pytest.mark.parametrize(
    ("values", "named", "says"),
    [
        ((), {}, "Light is missing name"),
        (("a", 1, {}, 2), {}, "Light takes 3 values, but 4 were given"),
        (("a",), {"name": "b"}, "Light got several values for name"),
        (("a",), {"colour": 1}, "Light got an unexpected keyword argument 'colour'"),
    ],
)
def test_it_says_what_does_not_fit(values: tuple[Any, ...], named: dict[str, Any], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        Light(*values, **named)


def test_defaults_that_are_made_are_not_shared() -> None:
    assert Light("a").words is not Light("a").words
    assert not hasattr(Light, "words")


def test_equality_and_hash() -> None:
    assert Light("a", 2, {"b": 1}) == Light("a", 2, {"b": 1})
    assert Light("a") != Light("b")
    other: object = Standard("a")
    assert Light("a") != other
    assert hash(Light("a", words=())) == hash(Light("a", words=()))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unhashable"):
        hash(Light("a"))


def test_it_shows_itself_as_the_standard_one_does() -> None:
    assert repr(Light("a")) == repr(Standard("a")).replace("Standard", "Light")


def test_it_is_frozen() -> None:
    light = Light("a")
    with pytest.raises(dataclasses.FrozenInstanceError, match="size"):
        light.size = 3  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="size"):
        del light.size
    assert light == Light("a")


def test_cached_properties_are_no_fields() -> None:
    light = Light("a", 4)
    assert light.computed is light.computed
    assert light == Light("a", 4)
    assert "computed" not in repr(light)
    assert replace(light, size=5).computed == [5]


@pytest.mark.parametrize("function", [replace, dataclasses.replace])
def test_replacing(function: Callable[..., Light]) -> None:
    words = {"b": 1}
    changed = function(Light("a", 2, words), size=3)
    assert changed == Light("a", 3, words)
    assert changed.words is words
    with pytest.raises(TypeError):
        function(Light("a"), colour="red")


def test_the_standard_librarys_functions_work() -> None:
    light = Light("a", 2, {"b": 1})
    assert dataclasses.is_dataclass(light)
    assert dataclasses.is_dataclass(Light)
    assert [part.name for part in dataclasses.fields(Light)] == ["name", "size", "words"]
    assert dataclasses.asdict(light) == dataclasses.asdict(Standard("a", 2, {"b": 1}))
    assert dataclasses.astuple(light) == ("a", 2, {"b": 1})


def test_it_is_copied_pickled_and_matched() -> None:
    light = Light("a", 2, {"b": 1})
    assert pickle.loads(pickle.dumps(light)) == copy.copy(light) == copy.deepcopy(light) == light
    match light:
        case Light(name, size):
            assert (name, size) == ("a", 2)


def test_what_is_not_offered_is_refused() -> None:
    with pytest.raises(TypeError, match="frozen"):
        dataclass(frozen=False)
    with pytest.raises(TypeError, match="inherits"):
        dataclass(frozen=True)(type("Below", (Light,), {}))
    with pytest.raises(TypeError, match="__post_init__"):
        dataclass(frozen=True)(type("Checked", (), {"__post_init__": lambda self: None}))
    with pytest.raises(TypeError):
        dataclass(slots=True)


def test_nothing_of_it_imports_dataclasses() -> None:
    source = inspect.getsource(Light)
    program = (
        "import sys\nfrom collections.abc import Mapping\nfrom functools import cached_property\n"
        f"from vlmplug.light_dataclass import dataclass, field, replace\n\n{source}\n"
        "light = replace(Light('a'), size=2)\nassert light == Light('a', 2) and 'size=2' in repr(light)\n"
        "print('dataclasses' in sys.modules, 'inspect' in sys.modules)"
    )
    program = "from __future__ import annotations\n" + program
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "False False\n"
