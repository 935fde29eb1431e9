"""Measures what a model takes on one GPU beyond its weights and its cache, for the reserve of ``vlmplug.memory``.

    python benchmarks/memory.py --tokenizer FOLDER --out RESULTS.json internvl2-1b internvl2-2b internvl2-8b

Each model runs in its true shape with random weights in a process of its own, with a cache of 8192 tokens; it answers a
text, then a question about two pictures of 13 tiles. The figure is the most that the driver says is used after loading
(drawing random weights takes more for a while), less weights and cache as `vlmplug.memory` counts them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from true_shape import machine, picture, request, shape_folder

from vlmplug.conversation import Conversation, PromptOptions, user_message
from vlmplug.engine.options import EngineOptions, SchedulerOptions
from vlmplug.memory import CONTEXT_TOKENS, memory_needed
from vlmplug.pipeline import Request, open_pipeline
from vlmplug.registry import load_registry
from vlmplug.sampling import Sampling

_BLOCK = 64
_SECONDS_BETWEEN = 0.05


def used_gib() -> float:
    """Memory of the first GPU that is used, by everybody."""
    command = ["nvidia-smi", "--id=0", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1024


class Watch(threading.Thread):
    """The most that was used since it began."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = used_gib()
        self._end = threading.Event()

    def run(self) -> None:
        """Looks until it is stopped."""
        while not self._end.wait(_SECONDS_BETWEEN):
            self.most = max(self.most, used_gib())

    def stop(self) -> float:
        """Ends it; the most that was used."""
        self._end.set()
        self.join()
        return max(self.most, used_gib())


def two_pictures() -> Request:
    """A question about as many tiles as two large pictures have."""
    images = tuple(picture(1280, 960, seed) for seed in (1, 2))
    conversation = Conversation((user_message("Compare.", images),))
    return Request(conversation, PromptOptions(placement="beside"), Sampling(max_new_tokens=64, ignore_stop=True))


def measure(model_type: str, tokenizer: Path) -> dict[str, Any]:
    """One model, in this process."""
    counted = memory_needed(load_registry().model_type(model_type))
    if counted is None:
        raise SystemExit(f"The shapes of {model_type} are not known.")
    before = used_gib()
    scheduler = SchedulerOptions(kv_blocks=CONTEXT_TOKENS // _BLOCK, block_size=_BLOCK, prefix_caching=False)
    options = EngineOptions("cuda", "bfloat16", weights="random", session_length=CONTEXT_TOKENS, scheduler=scheduler)
    with open_pipeline(model_type, shape_folder(model_type, tokenizer), options) as pipeline:
        watch = Watch()
        watch.start()
        pipeline.generate(request("Say something.", 64))
        answer = pipeline.generate(two_pictures())
        most = watch.stop() - before
    held = (counted.weights + counted.cache) / 2**30
    return {
        "model_type": model_type,
        "prompt_tokens": answer.prompt_tokens,
        "most_gib": most,
        "weights_and_cache_gib": held,
        "reserve_gib": most - held,
        "reserve_counted_gib": counted.reserve / 2**30,
    }


def main() -> None:
    """Measures one model after the other and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_types", nargs="+")
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.out is None:
        print(json.dumps(measure(arguments.model_types[0], arguments.tokenizer)))
        return
    models = []
    for model_type in arguments.model_types:
        command = [sys.executable, __file__, "--tokenizer", str(arguments.tokenizer), model_type]
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        models.append(json.loads(ran.stdout.splitlines()[-1]))
    flags = f"--tokenizer {arguments.tokenizer} --out {arguments.out.name}"
    command_line = f"python benchmarks/memory.py {flags} {' '.join(arguments.model_types)}"
    arguments.out.write_text(json.dumps({**machine(), "command": command_line, "models": models}, indent=1) + "\n")


if __name__ == "__main__":
    main()
