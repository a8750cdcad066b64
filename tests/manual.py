"""Reads the manual: README, CONTRIBUTING, and the pages in docs/, with the blocks of code that tests run unchanged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (*("README.md", "CONTRIBUTING.md"), *sorted(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md")))

_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"(?:^|\n\n)`([\w/.-]+)`[^\n]*:\n\n\Z")


@dataclass(frozen=True)
class Block:
    """Holds a block of code; `file` is the name of the file for the block, if the page names a file."""

    page: str
    language: str
    text: str
    file: str | None = None


def page(name: str) -> str:
    """Return the text of a page, by its path from the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, language: str | None = None) -> list[Block]:
    """Return the blocks of a page in order, or only those in one language."""
    text = page(name)
    found = []
    for match in _BLOCK.finditer(text):
        indent, kind, code = match.groups()
        file = _FILE.search(text[: match.start()])
        plain = re.sub(rf"^{indent}", "", code, flags=re.MULTILINE)
        found.append(Block(name, kind, plain, file[1] if file else None))
    return [block for block in found if language in (None, block.language)]


def code(name: str, language: str) -> str:
    """Return the only block of a page in that language."""
    (block,) = blocks(name, language)
    return block.text


def save(name: str, directory: Path) -> list[str]:
    """Write the blocks of a page that are files, and return the files' names."""
    files = [block for block in blocks(name) if block.file]
    for block in files:
        assert block.file is not None
        path = directory / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
    return [str(block.file) for block in files]


def commands(name: str) -> list[str]:
    """Return the lines of a page's `sh` blocks, continued lines joined, without comments."""
    lines = "".join(block.text for block in blocks(name, "sh")).replace("\\\n", " ").splitlines()
    return [line for line in (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines) if line]


def rows(name: str, first: str) -> list[list[str]]:
    """Return the cells of the table whose first header is `first`, without its two head lines."""
    found = re.search(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", page(name), re.MULTILINE)
    assert found is not None, f"{name} has no table {first!r}"
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in found[1].splitlines()]
