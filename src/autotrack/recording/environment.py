"""Where a run runs: program and arguments, code, python and packages, machine, devices, seeds that are known.

Read once a process, in the background. Of environment variables only a short list is kept; texts whose name says that
they are secret are masked. Nothing is drawn from a random generator. ``git`` is asked with a time limit and without a prompt.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from autotrack.guard import asked
from autotrack.recording import place
from autotrack.records import ArtifactStored, RunNoted
from autotrack.values import MASK, cut, is_secret, plain

if TYPE_CHECKING:
    from autotrack.recording.tracker import Tracker

VARIABLES = (
    "CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONHASHSEED",
    "SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_JOB_PARTITION", "PBS_JOBID", "LSB_JOBID", "JOB_ID",
    "CONDA_DEFAULT_ENV", "TZ",
)  # fmt: skip
GIT_S = 5.0  # seconds that one question to git may take
MOST_DIFF = 1 << 20  # bytes of uncommitted changes that are kept
DIFF = "uncommitted.diff"
PASSWORD_IN_URL = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]+(?=@)")
NOTHING: tuple[dict[str, Any], bytes] = ({}, b"")
_UNSEEDED = 67280421310721  # torch's own default


def tell(tracker: Tracker, run_id: str) -> None:
    """Tell a run its environment; its uncommitted changes are kept as a file, once for all runs that have the same."""
    cwd = asked(os.getcwd, "")
    git, diff = asked(lambda: repository(cwd, place.script()), NOTHING)
    known = {**surroundings(os.getpid(), cwd), **changing(), **({"git": git} if git else {})}
    tracker.journal.put(RunNoted(run_id, time(), "environment", plain(known, 10_000)))
    if diff:
        tracker.journal.put(ArtifactStored(run_id, time(), DIFF, tracker.artifacts.put_bytes(diff), len(diff), "diff"))


@functools.lru_cache(maxsize=4)
def surroundings(_pid: int, cwd: str) -> dict[str, Any]:
    """What stays as it is while the process lives."""
    script = place.script()
    unknown: dict[str, Any] = {}
    about: dict[str, Any] = {
        "argv": masked_arguments(sys.argv),
        "cwd": cwd,
        "script": None if script is None else os.path.join(cwd, script),
        "notebook": place.notebook(),
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
            "virtualenv": sys.prefix if sys.prefix != sys.base_prefix else None,
        },
        "packages": asked(lambda: dict[str, Any](sorted(packages())), unknown),
        "host": place.host(),
        "os": " ".join(os.uname()[i] for i in (0, 2, 4)) if hasattr(os, "uname") else sys.platform,
        "container": container(),
        "cpu": {"model": asked(cpu_model, None), "count": os.cpu_count(), "usable": usable_cpus()},
        "memory_bytes": asked(lambda: os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), None),
        "gpu": asked(gpus, unknown),
        "pid": os.getpid(),
    }
    return {key: value for key, value in about.items() if value not in (None, {}, "")}


def changing() -> dict[str, Any]:
    """What may differ from one run of a process to the next."""
    seeds: dict[str, Any] = {}
    if os.environ.get("PYTHONHASHSEED"):
        seeds["PYTHONHASHSEED"] = os.environ["PYTHONHASHSEED"]
    torch = sys.modules.get("torch")
    if torch is not None:
        seed = asked(lambda: int(torch.initial_seed()), _UNSEEDED)
        if seed != _UNSEEDED:
            seeds["torch"] = seed
    variables = {name: cut(os.environ[name], 500) for name in VARIABLES if os.environ.get(name)}
    told = {"seeds": seeds, "variables": variables, "rank": place.rank()}
    return {key: value for key, value in told.items() if value}


def masked_arguments(arguments: list[str]) -> list[str]:
    """The command line, with a mask for ``--token=...``, the word after ``--token``, and a password in a URL."""
    shown: list[str] = []
    hide = False
    for word in arguments:
        word = cut(PASSWORD_IN_URL.sub(rf"\1:{MASK}", word), 1_000)
        name, sign, _ = word.partition("=")
        if hide and not word.startswith("-"):
            word = MASK
        elif sign and is_secret(name):
            word = f"{name}={MASK}"
        hide = not sign and word.startswith("-") and is_secret(word)
        shown.append(word)
    return shown


def packages() -> Iterator[tuple[str, str]]:
    """Names and versions of the installed distributions: the names of their folders say both, so no file is read."""
    seen = set()
    for folder in sys.path:
        try:
            entries = sorted(os.listdir(folder or "."))
        except OSError:
            continue
        for entry in entries:
            stem, dot, suffix = entry.rpartition(".")
            if suffix not in ("dist-info", "egg-info") or not dot:
                continue
            name, _, version = stem.partition("-")
            name = name.replace("_", "-").lower()
            if version and name not in seen:
                seen.add(name)
                yield name, version.partition("-py")[0]


def cpu_model() -> str | None:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "cpu model"):
            return value.strip()
    return platform.processor() or None


def usable_cpus() -> int | None:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def container() -> str | None:
    """What kind of container this is in, by its marks."""
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    marks = {"docker": "/.dockerenv", "podman": "/run/.containerenv", "singularity": "/.singularity.d"}
    return next((kind for kind, mark in marks.items() if os.path.exists(mark)), None)


def gpus() -> dict[str, Any]:
    """NVIDIA's driver and devices, as the kernel tells them, else as ``nvidia-smi`` does; empty without any."""
    told: dict[str, Any] = {}
    version = Path("/proc/driver/nvidia/version")
    if version.exists():
        found = re.search(r"Module\D*?(\d+(?:\.\d+)+)", version.read_text())
        told["driver"] = found[1] if found else None
    names = [
        found[1].strip()
        for card in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        if (found := re.search(r"^Model:\s*(.+)$", card.read_text(), re.M))
    ]
    if not names and any(Path("/dev").glob("nvidia[0-9]*")):
        question = ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
        for line in output_of(question, "/").decode("utf-8", "replace").splitlines():
            name, _, driver = line.rpartition(", ")
            names.append(name)
            told["driver"] = driver
    if names:
        told["names"] = names
    return told


@functools.lru_cache(maxsize=4)
def repository(cwd: str, script: str | None) -> tuple[dict[str, Any], bytes]:
    """Commit, branch and uncommitted changes of the repository of the working directory, else of the script."""
    starts = [Path(cwd)] if cwd else []
    if script is not None and not Path(cwd, script).is_relative_to(sys.prefix):
        starts.append(Path(cwd, script).resolve().parent)
    for start in starts:
        for folder in (start, *start.parents):
            if (folder / ".git").exists():
                return commit_of(folder)
    return {}, b""


def commit_of(root: Path) -> tuple[dict[str, Any], bytes]:
    """Commit and branch are read from git's files; only the changes need git itself."""
    git = root / ".git"
    if git.is_file():  # a worktree, a submodule
        git = (root / git.read_text().partition("gitdir:")[2].strip()).resolve()
    head = (git / "HEAD").read_text().strip()
    common = (git / (git / "commondir").read_text().strip()).resolve() if (git / "commondir").exists() else git
    reference = head.partition("ref:")[2].strip()
    commit = _resolved(git, common, reference) if reference else head
    about: dict[str, Any] = {"root": str(root), "commit": commit, "branch": reference.removeprefix("refs/heads/") or None}
    diff = changes(root, git) if commit else b""
    about["dirty"] = bool(diff)
    if len(diff) > MOST_DIFF:
        about["diff_bytes"] = len(diff)
        diff = diff[:MOST_DIFF] + b"\n... (cut)\n"
    return {key: value for key, value in about.items() if value is not None}, diff


def changes(root: Path, git: Path) -> bytes:
    """What ``git diff HEAD`` says, on a copy of the index: git would refresh the user's.

    The copy is as old: git looks into files that are no older than its index, for it compares whole seconds.
    """
    ask = ("git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-C", str(root))
    with tempfile.NamedTemporaryFile(prefix="autotrack-") as index:
        about = (git / "index").stat()  # before it is read: should somebody write it now, git looks into more files, not fewer
        index.write((git / "index").read_bytes())
        index.flush()
        os.utime(index.name, ns=(about.st_atime_ns, about.st_mtime_ns))
        return output_of((*ask, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD"), str(root), GIT_INDEX_FILE=index.name)


def _resolved(git: Path, common: Path, reference: str) -> str | None:
    for place_of_it in (git / reference, common / reference):
        if place_of_it.is_file():
            return place_of_it.read_text().strip()
    packed = common / "packed-refs"
    if packed.is_file():
        for line in packed.read_text().splitlines():
            commit, _, name = line.partition(" ")
            if name == reference:
                return commit
    return None


def output_of(command: tuple[str, ...], cwd: str, **variables: str) -> bytes:
    """What a command prints; nothing if it is not there, fails, or takes too long. It cannot ask anything."""
    program = shutil.which(command[0])  # subprocess would look for it as well, and change the process's warning filters meanwhile
    if program is None:
        return b""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_PAGER": "cat", "LC_ALL": "C", **variables}
    try:
        done = subprocess.run(
            (program, *command[1:]),
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=GIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return b""
    return done.stdout if done.returncode == 0 else b""
