"""Which kind of file system a folder lies on: where a file may be mapped, where it is only appended to, where nobody else sees locks.

Source of the classes: tried on ext4 and tmpfs (mapping is safe once the space is allocated); overlay, xfs and btrfs
document the same and are probed by allocating; network file systems give no coherent mapping between hosts.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

MAPPED = frozenset({"ext4", "tmpfs"})
PROBED = frozenset({"overlay", "xfs", "btrfs"})
NETWORK = frozenset({"9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2"})
NETWORK |= {"panfs", "pvfs2", "smb3", "smbfs", "wekafs"}
NETWORK |= {f"fuse.{name}" for name in ("ceph", "gcsfuse", "glusterfs", "juicefs", "s3fs", "sshfs")}


def file_system(folder: Path, mountinfo: str) -> str:
    """The type of the file system that holds ``folder`` (an absolute, resolved path), or "" if the text does not say.

    Source of the format: proc_pid_mountinfo(5).
    """
    inside = f"{folder}/"
    found, depth = "", 0
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        fields = left.split(" ", 5)
        if not dash or len(fields) < 5:
            continue
        point = _unescaped(fields[4]).rstrip("/") + "/"
        if len(point) >= depth and inside.startswith(point):
            found, depth = right.split(" ", 1)[0], len(point)  # of two mounts on one point the later one is seen
    return found


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, sign)
    return text


@functools.lru_cache(maxsize=64)
def file_system_of(folder: str) -> str:
    """The type of the file system that holds the folder (or would, once it is made); "" where the system does not say. Asked once."""
    try:
        text = os.fsdecode(Path("/proc/self/mountinfo").read_bytes())
    except OSError:
        return ""
    return file_system(Path(os.path.realpath(folder)), text)


def is_network(folder: str | os.PathLike[str]) -> bool:
    """Whether other hosts may have this folder too."""
    return file_system_of(os.fspath(folder)) in NETWORK
