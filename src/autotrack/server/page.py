"""The page's own files: read once, packed, and given with types that we say ourselves (a system's table of types may be wrong)."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).with_name("static")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
COMMENTS = re.compile(rb"^[ \t]*(?://.*|/\*.*\*/)$", re.MULTILINE)  # whole lines: for readers of the source; a tenth of what would be sent


@dataclass(frozen=True, slots=True)
class Packed:
    """A file, and the same made small."""

    content: bytes
    small: bytes
    etag: str
    type: str


def packed(folder: Path = STATIC) -> dict[str, Packed]:
    """All files of the page by their paths; ``/`` is the page itself."""
    files = {}
    for path in sorted(folder.rglob("*")):
        kind = TYPES.get(path.suffix)
        if kind is not None and path.is_file():
            content = path.read_bytes()
            if path.suffix in (".js", ".css"):
                content = COMMENTS.sub(b"", content)
            etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
            files[f"/{path.relative_to(folder).as_posix()}"] = Packed(content, gzip.compress(content, 9, mtime=0), etag, kind)
    if "/index.html" in files:
        files["/"] = files.pop("/index.html")
    return files


def missing(folder: Path = STATIC) -> list[str]:
    """The libraries that the page needs and that are not there."""
    page = folder / "index.html"
    if not page.is_file():
        return ["index.html"]
    found = re.search(r'<script type="importmap">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)
    imports = json.loads(found[1])["imports"] if found else {}
    return sorted(name for name in set(imports.values()) if not (folder / name).is_file())
