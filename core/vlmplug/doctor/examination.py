"""Everything that the doctor looks at, in the order of its report."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from vlmplug.doctor import libraries, machine
from vlmplug.doctor.check import Check, Probe
from vlmplug.doctor.deadline import look_at_once
from vlmplug.doctor.gpus import check_gpus
from vlmplug.doctor.hubs import check_hub, check_hub_offline, hub_access
from vlmplug.doctor.nvidia import NvidiaReport, NvidiaUnusableError, read_nvidia_report
from vlmplug.doctor.plugin_probe import load_in_child
from vlmplug.doctor.plugins import check_plugins, check_registry
from vlmplug.doctor.torch_report import TorchReport, TorchUnusableError, read_torch_report
from vlmplug.engine.compatibility import SUPPORTED_LMDEPLOY
from vlmplug.engine.cpu.memory import available_memory
from vlmplug.hub.options import HUBS, TITLES, HubName, HubOptions
from vlmplug.registry import PluginRecord, Registry

_SHARED_MEMORY = Path("/dev/shm")
_HUB_STEP_SECONDS, _HUB_SECONDS = 5.0, 12.0


@dataclass(frozen=True)
class DoctorOptions:
    """How the doctor looks.

    - ``hubs``: endpoints, tokens, and whether hubs are asked at all.
    - ``import_seconds``: how long the import of one plugin may take.
    """

    hubs: HubOptions = field(default_factory=HubOptions)
    import_seconds: float = 60.0


def examine_machine(options: DoctorOptions) -> list[Check]:
    """Looks at everything but plugins; whatever is wrong with it, a row says so."""
    rows = [row for probe in _environment(options) for row in probe.rows()]
    return rows + look_at_once([_hub_probe(hub, options.hubs) for hub in HUBS], _HUB_SECONDS)


def examine_plugins(registry: Registry, records: Iterable[PluginRecord], options: DoctorOptions) -> list[Check]:
    """Looks at the registry and at some plugins."""
    rows = Probe("registry", lambda: check_registry(registry), "plugins").rows()
    return rows + check_plugins(records, lambda record: load_in_child(record, options.import_seconds))


def _environment(options: DoctorOptions) -> Iterator[Probe]:
    yield Probe("libraries", _libraries)
    yield Probe("GPU", _accelerators)
    yield Probe("main memory", lambda: [machine.check_memory(available_memory())])
    yield Probe("disk", lambda: _disks(options.hubs))


def _libraries() -> Iterator[Check]:
    installed = libraries.installed_version
    try:
        own = metadata.metadata("vlmplug")
    except metadata.PackageNotFoundError:
        found = "vlmplug runs from a folder and is not installed; what it needs is not known"
        yield Check("libraries", "warning", found, fix="Install it: pip install vlmplug, or pip install -e FOLDER.")
        return
    requires = own.get_all("Requires-Dist") or []
    yield libraries.check_python(platform.python_version(), (own.get_all("Requires-Python") or [""])[0])
    yield libraries.check_platform(libraries.Platform.here())
    yield from libraries.check_own_libraries(requires, installed)
    yield from libraries.check_engine_libraries(requires, str(SUPPORTED_LMDEPLOY), installed)
    if installed("lmdeploy") is not None:
        yield from libraries.check_conflicts("lmdeploy", metadata.requires("lmdeploy") or [], installed)
    yield libraries.check_video(requires, installed)


def _accelerators() -> Iterator[Check]:
    driver: NvidiaReport | None = None
    torch: TorchReport | None = None
    try:
        driver = read_nvidia_report()
    except (NvidiaUnusableError, OSError) as error:
        yield Check("NVIDIA driver", "warning", str(error), fix="Install or restart the driver, or use device cpu.")
    if libraries.installed_version("torch") is not None:
        try:
            torch = read_torch_report()
        except (TorchUnusableError, OSError) as error:
            yield Check("PyTorch", "problem", str(error), fix=f"Install it anew. {libraries.ENGINE_FIX}")
    yield from check_gpus(driver, torch)
    yield from machine.check_shared_memory(_SHARED_MEMORY, len(driver.gpus) if driver is not None else 0)


def _disks(hubs: HubOptions) -> Iterator[Check]:
    caches = {TITLES[hub]: hubs.cache(hub) for hub in HUBS}
    return machine.check_disks(caches, Path(tempfile.gettempdir()))


def _hub_probe(hub: HubName, options: HubOptions) -> Probe:
    def look() -> Iterator[Check]:
        access = hub_access(hub, options)
        return check_hub_offline(access) if options.is_offline else check_hub(access, _HUB_STEP_SECONDS)

    return Probe(TITLES[hub], look)
