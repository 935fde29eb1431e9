"""Resolves the newest versions that fit the pyproject.toml files into `.ci/constraints.txt`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"


def main() -> int:
    """Keeps the comment lines at the top of the file and writes everything else anew, for every supported Python."""
    header = [line for line in CONSTRAINTS.read_text().splitlines() if line.startswith("#")]
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "compile", "--quiet", "--universal", "--upgrade", "--python-version", "3.10"]
    command += ["--extra", "engine", "--extra", "dev", "--no-annotate", "--no-header", str(ROOT / "pyproject.toml")]
    resolved = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    CONSTRAINTS.write_text("\n".join([*header, resolved]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
