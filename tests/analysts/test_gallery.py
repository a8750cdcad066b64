"""`make gallery` makes every picture of the manual anew."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from tests.analysts import browsing, gallery


def test_it_makes_the_pictures_that_the_manual_shows(tmp_path: Path) -> None:
    """All of them and no other: the dashboard's of the size of their windows, the terminal's in the demo's words."""
    with browsing.chromium():  # else it says what is missing
        pass
    gallery.make(tmp_path, images=200)
    made = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert made.keys() == {file.name for file in gallery.GALLERY.iterdir()}
    for name, (width, _, height) in {**gallery.DASHBOARD, "image.png": gallery.DETAILS}.items():
        assert struct.unpack(">8x4x4xII", made[name][:24]) == (width, height)
    shown = re.sub(r"<[^>]*>|\s+", " ", made["demo.svg"].decode()).replace("&#160;", " ")
    assert "A sandbox with 200 images" in shown
    assert "Which images in use are the riskiest?" in shown
    assert "@font-face" not in shown
    assert str(Path.home()) not in shown
