"""Files kept by their content: the same bytes are stored once, whoever logs them, and never change.

A file lies at ``<root>/sha256/ab/<hex>``, where ``ab`` are the first two of its 64 hex digits. It comes there whole, by a
rename. ``root`` is a folder, or any address that fsspec knows (``s3://bucket/artifacts``).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import Any, BinaryIO, cast

from autotrack.errors import ArtifactNotFound

CHUNK = 1 << 20
SYNCED = 1 << 20  # bytes from which on a file is synced before its rename: smaller ones are cheap to lose, dear to sync
DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
GRACE_S = 24 * 3600.0  # a sweep leaves what is younger: its record may still be on its way
MOST_NAME_BYTES = 255  # of a file, in all usual file systems


class ArtifactStore:
    """Content by digest (``sha256:<hex>``). Safe for any number of threads and processes at once."""

    def __init__(self, root: str) -> None:
        self._local = "://" not in root
        self.root = os.path.abspath(root) if self._local else root.rstrip("/")

    def put_file(self, path: str | os.PathLike[str]) -> tuple[str, int]:
        """Store a copy of a file; return its digest and its size in bytes.   Raises: OSError."""
        digest, size = digest_of(path)
        if not self._keep(digest):
            self._write(Path(path), digest, move=False)
        return digest, size

    def put_bytes(self, content: bytes) -> str:
        """Store this content; return its digest.   Raises: OSError."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if not self._keep(digest):
            import tempfile

            with tempfile.NamedTemporaryFile(prefix="autotrack-") as file:
                file.write(content)
                file.flush()
                self._write(Path(file.name), digest, move=False)
        return digest

    def take_file(self, path: str | os.PathLike[str], digest: str) -> None:
        """Move a file of this digest in: cheap on the same file system. The file is gone afterwards.   Raises: OSError."""
        if self._keep(digest):
            os.unlink(path)
        else:
            self._write(Path(path), digest, move=True)

    def open(self, digest: str) -> BinaryIO:
        """The content, to be closed by the caller.   Raises: ArtifactNotFound."""
        place = self._place(digest)
        try:
            return open(place, "rb") if self._local else cast(BinaryIO, self._remote.open(place, "rb"))
        except FileNotFoundError as error:
            raise ArtifactNotFound(f"the content {digest} is not in {self.root}; was the folder copied without its artifacts?") from error

    def has(self, digest: str) -> bool:
        """Whether the content is there."""
        place = self._place(digest)
        return os.path.exists(place) if self._local else bool(self._remote.exists(place))

    def size(self, digest: str) -> int:
        """The content's size in bytes.   Raises: ArtifactNotFound."""
        place = self._place(digest)
        try:
            return os.path.getsize(place) if self._local else int(self._remote.size(place))
        except FileNotFoundError as error:
            raise ArtifactNotFound(f"the content {digest} is not in {self.root}") from error

    def delete(self, digest: str) -> None:
        """Remove the content, if it is there."""
        place = self._place(digest)
        try:
            os.unlink(place) if self._local else self._remote.rm(place)
        except FileNotFoundError:
            return

    def sweep(self, keep: set[str], grace_s: float = GRACE_S) -> tuple[int, int]:
        """Remove what is not in ``keep`` and is older than ``grace_s`` seconds; return how many files and bytes that were."""
        before, count, freed = time() - grace_s, 0, 0
        for place, name, size, modified in list(self._files()):
            if modified <= before and f"sha256:{name}" not in keep:
                try:
                    os.unlink(place) if self._local else self._remote.rm(place)
                except FileNotFoundError:
                    continue  # another sweep was faster
                count, freed = count + 1, freed + size
        return count, freed

    def _place(self, digest: str) -> str:
        found = DIGEST.fullmatch(digest)
        if found is None:
            raise ArtifactNotFound(f"{digest!r} is no digest; one is 'sha256:' and 64 hex digits")
        return f"{self.root}/sha256/{found[1][:2]}/{found[1]}"

    def _keep(self, digest: str) -> bool:
        """Whether the content is there already; a sweep then takes it for new."""
        if not self.has(digest):
            return False
        if self._local:
            try:
                os.utime(self._place(digest))
            except FileNotFoundError:
                return False  # a sweep took it just now
        return True

    def _write(self, path: Path, digest: str, *, move: bool) -> None:
        place = self._place(digest)
        partial = f"{place}.{os.urandom(6).hex()}.partial"
        if not self._local:
            self._remote.makedirs(os.path.dirname(place), exist_ok=True)
            self._remote.put_file(str(path), partial)
            self._remote.mv(partial, place)
            if move:
                path.unlink()
            return
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if move and _moved(path, place):
            return
        try:
            with path.open("rb") as source, open(partial, "xb") as sink:
                while block := source.read(CHUNK):
                    sink.write(block)
                sink.flush()
                if sink.tell() >= SYNCED:
                    os.fsync(sink.fileno())
            os.replace(partial, place)
        finally:
            if os.path.exists(partial):
                os.unlink(partial)
        if move:
            path.unlink()

    def _files(self) -> Iterator[tuple[str, str, int, float]]:
        """Place, name, size and time of every file, those of interrupted writes too."""
        if not self._local:
            for place, about in self._remote.find(f"{self.root}/sha256", detail=True).items():
                yield place, place.rpartition("/")[2], int(about.get("size") or 0), _timestamp(about)
            return
        for folder, _, names in os.walk(f"{self.root}/sha256"):
            for name in names:
                try:
                    about = os.stat(os.path.join(folder, name))
                except FileNotFoundError:
                    continue
                yield os.path.join(folder, name), name, about.st_size, about.st_mtime

    @property
    def _remote(self) -> Any:
        import fsspec  # only a store elsewhere pays

        return fsspec.url_to_fs(self.root)[0]


def _moved(path: Path, place: str) -> bool:
    """Whether a rename did it; not across file systems."""
    try:
        about = path.stat()
        if about.st_size >= SYNCED:
            with path.open("rb") as file:
                os.fsync(file.fileno())
        os.utime(path)
        os.replace(path, place)
    except OSError:
        if not path.exists():
            raise
        return False
    return True


def _timestamp(about: dict[str, Any]) -> float:
    for key in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value: Any = about.get(key)
        if isinstance(value, int | float):
            return float(value)
        if hasattr(value, "timestamp"):
            return float(value.timestamp())
    return time()  # of unknown age: stays


def digest_of(path: str | os.PathLike[str]) -> tuple[str, int]:
    """The digest and size of a file, read in one pass.   Raises: OSError."""
    made, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while block := file.read(CHUNK):
            made.update(block)
            size += len(block)
    return f"sha256:{made.hexdigest()}", size


def checked_name(name: str) -> str:
    """An artifact's name: a relative path with ``/``.   Raises: ValueError for one that leads out of its run, or nowhere, or is no file's."""
    parts = name.split("/") if isinstance(name, str) else [""]
    if any(part in ("", ".", "..") or part != part.strip() for part in parts) or "\\" in name or not name.isprintable() or len(name) > 1_000:
        raise ValueError(f"{name!r} is no name for an artifact; write a relative path such as 'plots/roc.png'")
    if max(len(part.encode()) for part in parts) > MOST_NAME_BYTES:
        raise ValueError(f"{name!r} is no name for an artifact: no file can have a name of more than {MOST_NAME_BYTES} bytes")
    return name
