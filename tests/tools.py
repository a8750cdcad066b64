"""Where the project lies, and the `uv` of the Makefile, with which tests build it and make environments."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
_OURS = ROOT / ".uv" / "bin" / "uv"
UV = str(_OURS) if _OURS.exists() else shutil.which("uv") or "uv"
