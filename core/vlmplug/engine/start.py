"""Everything that happens before an engine runs: checks first, then the view, then lmdeploy."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from itertools import chain
from typing import Any

from lmdeploy.pytorch import envs
from lmdeploy.pytorch.engine import Engine
from lmdeploy.pytorch.engine.model_agent import agent
from lmdeploy.pytorch.weight_loader import model_weight_loader
from lmdeploy.utils import get_logger
from tqdm.auto import tqdm

from vlmplug.engine import config, glue, length_scaling, partial_lora, positions, rope, session, worker_executor
from vlmplug.engine.attention_memory import check_attention_memory
from vlmplug.engine.awq import check_awq
from vlmplug.engine.compatibility import Needed, check_lmdeploy
from vlmplug.engine.cpu.install import install as install_cpu
from vlmplug.engine.device import choose_device, choose_dtype
from vlmplug.engine.options import EngineOptions
from vlmplug.engine.settings import engine_config, session_length
from vlmplug.engine.view import EngineView
from vlmplug.engine.weights import check_weights, language_config
from vlmplug.model import FamilyModel

NEEDED = (
    Needed("lmdeploy.pytorch.envs", "enable_check_env"),
    Needed("lmdeploy.pytorch.engine.model_agent.agent", "tqdm"),
    Needed("lmdeploy.pytorch.weight_loader.model_weight_loader", "tqdm"),
    Needed("lmdeploy.pytorch.engine", "Engine", ("model_path", "engine_config")),
    Needed("lmdeploy.pytorch.engine", "Engine.stop"),
    Needed("lmdeploy.pytorch.engine", "Engine.wait_tasks"),
)


class EngineStart:
    """A checked plan of one engine; `build` carries it out, `remove` cleans up after the engine.

    :raises DeviceError: the device cannot be used.
    :raises EngineOptionError: options that do not fit together, the model or the device.
    :raises WeightsError: the weight files do not hold what the model reads.
    :raises EngineMemoryError: the weights do not fit into memory.
    """

    def __init__(self, model: FamilyModel, options: EngineOptions) -> None:
        prepare_lmdeploy()
        self.model, self.seed = model, options.seed
        self.reports_logits = options.scheduler.logprobs_mode == "logits"
        self.device = choose_device(options)
        self.dtype = choose_dtype(options, model.dtype, self.device)
        check_awq(language_config(model), self.device, self.dtype)
        positions.check_carried(model.own_positions, rope.crossing_limit(model.text_config))
        length_scaling.check_scaling(model)
        check_attention_memory(model.text_config, self.dtype, self.device)
        self.session_length = session_length(model, options)
        if options.weights == "checkpoint":
            check_weights(model)
        self._config = engine_config(model, options, self.device, self.dtype)
        self._view = EngineView(model, options, self.dtype)

    def build(self) -> Engine:
        """lmdeploy's engine, its weights loaded; to be called in the thread and loop that it will live in."""
        engine = Engine(str(self._view.folder), self._config)
        rope.attach(engine, self.model.text_config)
        length_scaling.attach(engine, self.model.length_scaling)
        return engine

    def remove(self) -> None:
        """Deletes the engine view; repeating it is harmless."""
        self._view.remove()


def prepare_lmdeploy() -> None:
    """Checks that lmdeploy has the shape all this was written for, and teaches it the CPU.

    :raises EngineIncompatibleError: it has another one.
    """
    parts = (config, glue, length_scaling, partial_lora, positions, rope, session)
    check_lmdeploy((*NEEDED, *chain.from_iterable(part.NEEDED for part in parts)))
    install_cpu()
    worker_executor.install()
    get_logger("lmdeploy").setLevel(logging.ERROR)
    for module in (agent, model_weight_loader):
        module.tqdm = _late_progress
    envs.enable_check_env = False  # spawns processes and exits ours on failure; our own checks come earlier


def _late_progress(items: Iterable[Any], desc: str = "", disable: bool = False) -> Iterable[Any]:
    """A progress bar on terminals only, and only for loads that take a while."""
    bar: Iterable[Any] = tqdm(items, desc=desc, disable=disable or not sys.stderr.isatty(), delay=2)
    return bar
