"""Says where the project is, and the `uv` of the Makefile, with which tests build packages and environments."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
_OURS = ROOT / ".uv" / "bin" / "uv"
UV = str(_OURS) if _OURS.exists() else shutil.which("uv") or "uv"
