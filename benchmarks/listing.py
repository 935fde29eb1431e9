"""How long ``vlmplug models list`` takes, as a multiple of ``python -c pass``.

    python benchmarks/listing.py --out RESULTS.json

Runs the installed program and the bare interpreter in turn, so that both meet the same load, and divides the medians.
Once with the plugins of this environment, and once with 200 more, which are written as an installer would write them
into a folder that goes on ``sys.path``. The cache of parsed manifests is one of its own: the first run fills it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

ROUNDS = 9
PLUGINS = 200
TARGETS = {"installed": 8.0, "with_200_more": 16.0}
PLUGINS = ("deepseek-vl", "glm4v", "internvl2", "minicpm-v", "qwen-vl", "tiny", "xcomposer2-5")
LIBRARIES = ("vlmplug", *(f"vlmplug-{name}" for name in PLUGINS), "pyyaml")

MANIFEST = """\
manifest: 1
plugin: {{name: bench-{number}, api: 1, hooks: bench_{number}.hooks}}
families:
  bench-{number}:
    title: Family {number} of a benchmark
    architectures: [Bench{number}ForConditionalGeneration]
    media_options:
      max_num:
        type: integer
        range: [1, 40]
        default: 12
        media: [image]
        help: Most tiles that a picture is cut into.
      use_thumbnail: {{type: boolean, default: true, help: Whether a small copy of the picture goes last.}}
model_types:
  bench-{number}-2b:
    family: bench-{number}
    template: chatml
    modalities: [text, image, video]
    parameters: 2205754368
    context_length: 32768
    vision_tower: SigLIP
    language_model: Qwen2-1.5B
    licence: {{name: Apache-2.0}}
    hub: {{huggingface: bench/Model-{number}-2B, modelscope: bench/Model-{number}-2B}}
    shape:
      llm_config: {{hidden_size: 1536, num_hidden_layers: 28, num_attention_heads: 12, vocab_size: 151936}}
      vision_config: {{hidden_size: 1152, num_hidden_layers: 27, image_size: 448, patch_size: 14}}
  bench-{number}-8b:
    family: bench-{number}
    template: chatml
    modalities: [text, image]
    parameters: 8075365376
    context_length: 32768
    licence: {{name: Apache-2.0, note: research only}}
    hub: {{huggingface: bench/Model-{number}-8B}}
"""


def write_plugins(folder: Path, count: int) -> None:
    """Installed distributions, each with a package that holds a manifest."""
    for number in range(count):
        package = folder / f"bench_{number}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "manifest.yaml").write_text(MANIFEST.format(number=number))
        info = folder / f"vlmplug_bench_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: vlmplug-bench-{number}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[vlmplug.plugins]\nbench-{number} = bench_{number}\n")
        (info / "RECORD").write_text("")


def seconds(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Wall time and processor time of a command that must succeed."""
    before, start = _processor_seconds(), time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start, _processor_seconds() - before


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def listed(program: str, environment: Mapping[str, str]) -> int:
    """Model types in the list."""
    ran = subprocess.run([program, "models", "list", "--json"], env=environment, stdout=subprocess.PIPE, check=True)
    return len(json.loads(ran.stdout))


def measure(commands: Mapping[str, Sequence[str]], environment: Mapping[str, str]) -> dict[str, Any]:
    """Medians over the rounds, all commands in turn, and their ratios to the first."""
    first = {name: seconds(command, environment)[0] for name, command in commands.items()}
    rounds = [{name: seconds(command, environment) for name, command in commands.items()} for _ in range(ROUNDS)]
    wall, processor = (
        {name: statistics.median(times[name][kind] for times in rounds) for name in commands} for kind in (0, 1)
    )
    base = next(iter(commands))
    return {
        name: {
            "first_seconds": round(first[name], 4),
            "seconds": round(wall[name], 4),
            "ratio": round(wall[name] / wall[base], 2),
            "processor_ratio": round(processor[name] / processor[base], 2),
        }
        for name in commands
    }


def main() -> None:
    """Measures both cases, prints the ratios and writes everything as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="JSON file with the results")
    arguments = parser.parse_args()
    program = shutil.which("vlmplug", path=str(Path(sys.executable).parent))
    if program is None:
        raise SystemExit("vlmplug is not installed beside this interpreter; run: pip install vlmplug")
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "vlmplug models list": [program, "models", "list"],
        "vlmplug models show internvl2-2b": [program, "models", "show", "internvl2-2b"],
        "vlmplug plugins list": [program, "plugins", "list"],
    }
    with tempfile.TemporaryDirectory() as folder:
        write_plugins(Path(folder, "site"), PLUGINS)
        own = {**os.environ, "XDG_CACHE_HOME": str(Path(folder, "cache")), "LOCALAPPDATA": str(Path(folder, "cache"))}
        cases = {"installed": own, "with_200_more": {**own, "PYTHONPATH": str(Path(folder, "site"))}}
        results: dict[str, Any] = {
            case: {**measure(commands, environment), "model_types": listed(program, environment)}
            for case, environment in cases.items()
        }
    for case, target in TARGETS.items():
        ratio = results[case]["vlmplug models list"]["ratio"]
        print(f"{case}: {ratio} times `python -c pass`; the target is {target:g}")
    arguments.out.write_text(json.dumps({**circumstances(), "targets": TARGETS, **results}, indent=1) + "\n")


def circumstances() -> dict[str, Any]:
    """Machine, versions, date and command."""
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in LIBRARIES},
        "distributions": len(list(metadata.distributions())),
        "rounds": ROUNDS,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "command": f"python {' '.join(['benchmarks/listing.py', *sys.argv[1:]])}",
    }


if __name__ == "__main__":
    main()
