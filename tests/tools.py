"""Where the project lies, and the `uv` with which tests build it and make environments."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
UV = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
