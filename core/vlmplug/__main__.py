"""``python -m vlmplug``."""

from __future__ import annotations

import sys

from vlmplug.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
