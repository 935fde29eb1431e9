"""Frozen dataclasses for the modules that listing imports. Importing the standard library's `dataclasses` and defining
some 25 classes with it takes twice as long as starting Python, and listing has to be fast.

They are used as the standard ones are: ``@dataclass(frozen=True)``, ``field(default_factory=…)``, `replace`; to type
checkers they are the standard ones. What is seldom needed (`dataclasses.fields`, `dataclasses.asdict`) the standard
library itself provides when it is asked. No inheritance, no slots, no ``__post_init__``, ``ClassVar`` or ``InitVar``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

__all__ = ["dataclass", "field", "replace"]

_Class = TypeVar("_Class", bound="type[Any]")
_Instance = TypeVar("_Instance")


class _Factory:
    """The default of a field that is made for each instance."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


class _Fields:
    """The fields of one class: all names in order, those that must be given, and the defaults of the others."""

    def __init__(self, cls: type[Any]) -> None:
        self.names = tuple(cls.__annotations__)
        given = {name: vars(cls)[name] for name in self.names if name in vars(cls)}
        self.factories = {name: default.make for name, default in given.items() if isinstance(default, _Factory)}
        self.defaults = {name: default for name, default in given.items() if name not in self.factories}
        self.required = frozenset(name for name in self.names if name not in given)
        self.blank = {name: self.defaults.get(name) for name in self.names}


class _StandardFields:
    """``__dataclass_fields__``, made by the standard library when it is asked for."""

    def __get__(self, instance: object, cls: type[Any]) -> Mapping[str, Any]:
        import dataclasses

        own: _Fields = cls.__light_fields__
        made = {name: dataclasses.field(default_factory=make) for name, make in own.factories.items()}
        body = {"__annotations__": cls.__annotations__, "__module__": cls.__module__, **own.defaults, **made}
        twin: Any = type(cls.__name__, (), body)
        standard: Mapping[str, Any] = dataclasses.dataclass(frozen=True)(twin).__dataclass_fields__
        cls.__dataclass_fields__ = standard
        return standard


def _dataclass(*, frozen: bool) -> Callable[[_Class], _Class]:
    if not frozen:
        raise TypeError("Only frozen dataclasses are light; take one of the standard library.")
    return _define


def _field(*, default_factory: Callable[[], Any]) -> Any:
    return _Factory(default_factory)


def _replace(instance: _Instance, /, **changes: Any) -> _Instance:
    return type(instance)(**{**_state(instance), **changes})


def _define(cls: _Class) -> _Class:
    if cls.__bases__ != (object,) or hasattr(cls, "__post_init__"):
        raise TypeError(f"{cls.__name__} inherits or has __post_init__; take a dataclass of the standard library.")
    fields = _Fields(cls)
    own = {"__light_fields__": fields, "__match_args__": fields.names, "__dataclass_fields__": _StandardFields()}
    for name, value in (*own.items(), *_METHODS.items()):
        setattr(cls, name, value)
    for name in fields.factories:
        delattr(cls, name)
    return cls


def _initialise(self: Any, /, *values: Any, **named: Any) -> None:
    fields: _Fields = type(self).__light_fields__
    given = {**dict(zip(fields.names, values, strict=False)), **named} if values else named
    state = {**fields.blank, **given}
    fits = len(state) == len(fields.names) and fields.required <= given.keys()
    if not fits or len(given) != len(values) + len(named):
        raise TypeError(_misfit(type(self).__name__, fields, values, named))
    for name, make in fields.factories.items():
        if name not in given:
            state[name] = make()
    self.__dict__.update(state)


def _misfit(cls: str, fields: _Fields, values: tuple[Any, ...], named: Mapping[str, Any]) -> str:
    taken = fields.names[: len(values)]
    unknown = [name for name in named if name not in fields.names]
    missing = fields.required - {*taken, *named}
    if len(values) > len(fields.names):
        return f"{cls} takes {len(fields.names)} values, but {len(values)} were given"
    if unknown:
        return f"{cls} got an unexpected keyword argument {unknown[0]!r}"
    if missing:
        return f"{cls} is missing {', '.join(name for name in fields.names if name in missing)}"
    return f"{cls} got several values for {', '.join(name for name in taken if name in named)}"


def _state(self: Any) -> dict[str, Any]:
    values = vars(self)
    return {name: values[name] for name in type(self).__light_fields__.names}


def _equal(self: Any, other: object) -> bool:
    return _state(self) == _state(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(tuple(_state(self).values()))


def _show(self: Any) -> str:
    return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in _state(self).items())})"


def _refuse_to_set(self: Any, name: str, value: object) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


_METHODS: Mapping[str, Callable[..., Any]] = {
    "__init__": _initialise,
    "__eq__": _equal,
    "__hash__": _hash,
    "__repr__": _show,
    "__setattr__": _refuse_to_set,
    "__delattr__": _refuse_to_delete,
}

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    dataclass, field, replace = _dataclass, _field, _replace
