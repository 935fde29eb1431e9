"""The lmdeploy functions of ms-swift 2.x, as ``swift.llm`` had them, on vlmplug's engine.

>>> from vlmplug.compat.swift import ModelType, get_lmdeploy_engine, get_template, inference_lmdeploy
>>> engine = get_lmdeploy_engine(ModelType.internvl2_tiny)  # doctest: +SKIP
>>> template = get_template("internvl2", engine.hf_tokenizer)  # doctest: +SKIP
>>> request = {"query": "<image>How many shapes are there?", "images": ["examples/shapes.png"]}
>>> inference_lmdeploy(engine, template, [request])[0]["response"]  # doctest: +SKIP
'There are four shapes.'

Prompts are the official ones of each family, not swift's; ``docs/swift.md`` says what differs. Each name is imported
when it is used for the first time.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true

if TYPE_CHECKING:
    from vlmplug.compat.swift.arguments import InferArguments
    from vlmplug.compat.swift.batch import inference_lmdeploy
    from vlmplug.compat.swift.engine import LmdeployEngine, get_lmdeploy_engine
    from vlmplug.compat.swift.generation_config import LmdeployGenerationConfig
    from vlmplug.compat.swift.names import ModelType, TemplateType
    from vlmplug.compat.swift.preparation import prepare_lmdeploy_engine_template
    from vlmplug.compat.swift.refusal import SwiftValueError
    from vlmplug.compat.swift.registration import register_model, register_template
    from vlmplug.compat.swift.stream import inference_stream_lmdeploy
    from vlmplug.compat.swift.template import Template, get_template
    from vlmplug.compat.swift.template_types import get_default_template_type

_HOMES = {
    "arguments": ("InferArguments",),
    "batch": ("inference_lmdeploy",),
    "engine": ("LmdeployEngine", "get_lmdeploy_engine"),
    "generation_config": ("LmdeployGenerationConfig",),
    "names": ("ModelType", "TemplateType"),
    "preparation": ("prepare_lmdeploy_engine_template",),
    "refusal": ("SwiftValueError",),
    "registration": ("register_model", "register_template"),
    "stream": ("inference_stream_lmdeploy",),
    "template": ("Template", "get_template"),
    "template_types": ("get_default_template_type",),
}

__all__ = [
    "InferArguments",
    "LmdeployEngine",
    "LmdeployGenerationConfig",
    "ModelType",
    "SwiftValueError",
    "Template",
    "TemplateType",
    "get_default_template_type",
    "get_lmdeploy_engine",
    "get_template",
    "inference_lmdeploy",
    "inference_stream_lmdeploy",
    "prepare_lmdeploy_engine_template",
    "register_model",
    "register_template",
]


def __getattr__(name: str) -> object:
    """A public name, imported from its module on first use."""
    from vlmplug.public_names import public_name

    value = globals()[name] = public_name(__name__, _HOMES, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
