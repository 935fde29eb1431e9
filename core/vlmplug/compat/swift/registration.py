"""``register_model`` and ``register_template``: a fine-tuned checkpoint gets a name of its own, and a system prompt.

A model type that is registered is of a family that is there: its plugin loads the checkpoint and makes the prompts.
What would need other code is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from vlmplug.compat.swift.catalogue import CATALOGUE, RegisteredModel
from vlmplug.compat.swift.refusal import SwiftValueError, refuse_unknown
from vlmplug.compat.swift.template import Template
from vlmplug.compat.swift.template_types import OWN, template_type_of, template_types
from vlmplug.errors import AmbiguousModelError, OptionError, UnknownModelTypeError
from vlmplug.model_type import Licence, ModelType
from vlmplug.registry import Registry, load_registry
from vlmplug.resolve import Resolution, resolve, resolve_folder

_PLUGIN = (
    "Leave it out: the plugin of the family loads the checkpoint. For another architecture write a plugin "
    "(docs/plugins.md)."
)
#: Marks for swift's own programs.
_MODEL_MARKS = (
    *("support_flash_attn", "support_vllm", "support_lmdeploy", "support_gradient_checkpointing", "support_megatron"),
    *("tags", "placeholder_tokens", "lora_target_modules"),
)
_TEMPLATE_MARKS = ("use_model", "lazy_tokenize", "infer_media_type", "is_generation", "stream", "media_type")
_TYPES = ("float16", "bfloat16", "float32")


def register_model(
    model_type: str,
    model_id_or_path: str | None,
    lora_target_modules: Any = None,
    template: str = "default",
    get_function: Any = None,
    *,
    requires: list[str] | None = None,
    torch_dtype: Any = None,
    hf_model_id: str | None = None,
    revision: str | None = None,
    ignore_file_pattern: list[str] | None = None,
    function_kwargs: dict[str, Any] | None = None,
    exist_ok: bool = False,
    eos_token: str | int | None = None,
    **kwargs: Any,
) -> Callable[[Any], NoReturn]:
    """Gives a checkpoint of a family that is there a model type of its own, for the rest of this process.

    :param model_id_or_path: a model folder, whose files say what it is, or a repository that the registry knows.
    :param template: ``"default"``: the one of its kind; or one that was registered.
    :param requires: versions of libraries, as ``"transformers>=5.10"``.
    :param torch_dtype: instead of the checkpoint's.
    :param hf_model_id: the same on Hugging Face. :param revision: of the repository.
    :param exist_ok: whether it may take the name of another model type.
    :param eos_token: a further token that ends answers.
    :param lora_target_modules: without effect, as are ``ignore_file_pattern`` and swift's marks in ``kwargs``.
    :returns: what refuses a loading function, which swift let follow as a decorated one.
    :raises SwiftValueError: the model type is there already.
    :raises OptionError: a loading function, a parameter that cannot be had, or a repository that nobody knows.
    :raises CheckpointError: the folder is of no family here.
    """
    refuse_unknown("register_model", kwargs, _MODEL_MARKS)
    if get_function is not None or function_kwargs:
        raise OptionError(f"register_model: {model_type} brings a loading function, which is not called here.", _PLUGIN)
    registry = CATALOGUE.registry()
    if not exist_ok and (model_type in registry.model_types or model_type in registry.aliases):
        raise SwiftValueError(f"The `{model_type}` has already been registered.", "Set exist_ok=True to replace it.")
    place = _place(load_registry(), model_id_or_path, hf_model_id, template)
    model = RegisteredModel(
        manifest=_manifest(place, revision, requires),
        checkpoint=place.folder,
        template_type=template if template in CATALOGUE.templates else None,
        dtype=_dtype(torch_dtype),
        stop=eos_token,
    )
    CATALOGUE.add_model(model_type, model)
    return _refuser(model_type)


def register_template(template_type: str, template: Template, *, exist_ok: bool = False, **kwargs: Any) -> None:
    """Keeps a template under a name, for the rest of this process.

    Its prompt has to be the official one of the model that it is used with, which `get_template` checks; its
    ``default_system`` is its own.

    :raises SwiftValueError: the template type is there already.
    :raises OptionError: it is no template, or a subclass with code of its own.
    """
    refuse_unknown("register_template", kwargs, _TEMPLATE_MARKS)
    if type(template) is not Template:
        raise OptionError(
            f"Template {template_type!r} is a {type(template).__name__}, whose code is not called here.",
            "Write a plugin with a render_prompt hook (docs/plugins.md).",
        )
    if not exist_ok and template_type in (*template_types(CATALOGUE.registry()), *OWN):
        raise SwiftValueError(f"The `{template_type}` has already been registered.", "Set exist_ok=True to replace it.")
    CATALOGUE.add_template(template_type, template)


@dataclass(frozen=True)
class _Place:
    """A checkpoint: what kind of model type it is, and where it is."""

    kind: ModelType
    folder: Path | None
    modelscope: str | None = None
    huggingface: str | None = None


def _refuser(model_type: str) -> Callable[[Any], NoReturn]:
    def refuse(get_function: Any) -> NoReturn:
        CATALOGUE.remove_model(model_type)
        raise OptionError(
            f"register_model: {model_type} brings the loading function {getattr(get_function, '__name__', '')}, "
            "which is not called here.",
            _PLUGIN,
        )

    return refuse


def _place(registry: Registry, given: str | None, huggingface: str | None, template: str) -> _Place:
    name = given or huggingface
    if not name:
        raise OptionError("register_model: no checkpoint is named.", "Give model_id_or_path.")
    if (folder := Path(name).expanduser()).is_dir():
        return _Place(_kind(registry, resolve_folder(registry, folder), template), folder.resolve())
    try:
        found = resolve(registry, name)
    except UnknownModelTypeError as error:
        raise OptionError(
            f"register_model: no model type here has the repository {name!r}, and there is no such folder.",
            "Download it and name its folder, whose files say what it is; or write a manifest (docs/plugins.md).",
        ) from error
    return _Place(_kind(registry, found, template), None, given, huggingface)


def _kind(registry: Registry, found: Resolution, template: str) -> ModelType:
    """The model type that a checkpoint is like; where its files fit several, those of the template that was named.

    :raises AmbiguousModelError: still several. :raises OptionError: the template is another one's.
    """
    types = registry.model_types
    fits = [types[candidate.name] for candidate in found.considered if candidate.fits and candidate.name in types]
    if not fits:
        raise _undecided(found)
    if template not in OWN and template not in CATALOGUE.templates:
        chosen = [entry for entry in fits if template_type_of(registry, entry) == template]
        if not chosen:
            raise OptionError(
                f"register_model: the template of {fits[0].name} is {template_type_of(registry, fits[0])!r}, "
                f"not {template!r}.",
                "Leave template out, or register one.",
            )
        fits = chosen
    if len({(entry.template, entry.context_length, entry.modalities) for entry in fits}) > 1:
        raise _undecided(found)
    return fits[0]


def _undecided(found: Resolution) -> AmbiguousModelError:
    problem = found.error.problem if found.error is not None else f"{found.asked!r} leads to no one model type."
    return AmbiguousModelError(
        problem, "Name its kind with the checkpoint: get_lmdeploy_engine('internvl2-2b', model_id_or_path=FOLDER)."
    )


def _manifest(place: _Place, revision: str | None, requires: Iterable[str] | None) -> dict[str, Any]:
    """The entry of a manifest; without a shape, so that folders are not taken for it."""
    kind = place.kind
    entry: dict[str, Any] = {
        "family": kind.family,
        "template": kind.template,
        "modalities": list(kind.modalities),
        "parameters": kind.parameters,
        "context_length": kind.context_length,
        "licence": _licence(kind.licence),
        "limits": {name: value for name, value in vars(kind.limits).items() if value is not None},
        "vision_tower": kind.vision_tower,
        "language_model": kind.language_model,
        "language_architecture": kind.language_architecture,
        "requires": _versions(requires or ()),
        "hub": {} if place.folder is not None else _hub(place, revision),
    }
    if kind.vision_parameters is not None:
        entry["vision_parameters"] = kind.vision_parameters
    return {name: value for name, value in entry.items() if value not in ("", {})}


def _hub(place: _Place, revision: str | None) -> dict[str, str]:
    own = place.kind.hub
    ids = {
        "huggingface": place.huggingface or own.huggingface,
        "modelscope": place.modelscope or own.modelscope,
        "huggingface_revision": revision or own.huggingface_revision,
        "modelscope_revision": revision or own.modelscope_revision,
    }
    return {name: value for name, value in ids.items() if value}


def _licence(licence: Licence) -> dict[str, Any]:
    told: Mapping[str, Any] = {"url": licence.url, "note": licence.note, "accept": licence.accept}
    return {"name": licence.name, **{name: value for name, value in told.items() if value}}


def _versions(requires: Iterable[str]) -> dict[str, str]:
    from packaging.requirements import InvalidRequirement, Requirement

    versions = {}
    for line in requires:
        try:
            requirement = Requirement(line)
        except InvalidRequirement as error:
            raise OptionError(f"requires holds {line!r}: {error}.", 'Write "transformers>=5.10".') from error
        versions[requirement.name] = str(requirement.specifier) or ">=0"
    return versions


def _dtype(given: Any) -> str:
    if given is None:
        return "auto"
    name = str(given).removeprefix("torch.")
    if name not in _TYPES:
        raise OptionError(f"torch_dtype is {given!r}.", f"Use one of {', '.join(_TYPES)}.")
    return name
