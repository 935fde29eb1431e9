"""Writes a family's trained model as an official checkpoint.

python -m training.families.export glm4v-tiny --state state --out checkpoints/glm4v-tiny
python -m training.families.export glm4v-tiny --state state --out checkpoints/glm4v-tiny --check
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from training.families.checkpoint import differences, export
from training.families.index import FAMILIES


def main(arguments: Sequence[str] | None = None) -> int:
    """1 if the checkpoint does not hold what the state says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("family", choices=sorted(FAMILIES))
    parser.add_argument("--state", type=Path, default=Path("state"), help="folder of all families' states (state)")
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint's folder")
    parser.add_argument("--check", action="store_true", help="compare what is there with the state; write nothing")
    options = parser.parse_args(arguments)
    family, state = FAMILIES[options.family], options.state / options.family
    if not options.check:
        export(family, state, options.out)
    wrong = differences(family, state, options.out)
    print("\n".join(wrong) or f"{options.out} holds the state's weights")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
