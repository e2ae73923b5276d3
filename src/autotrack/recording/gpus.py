"""How busy the machine's NVIDIA GPUs are and how much of their memory is used, as the driver says it (NVML), where ``nvidia-ml-py`` is installed.

Source: https://docs.nvidia.com/deploy/nvml-api/ ; ``nvmlDeviceGetUtilizationRates`` and ``nvmlDeviceGetMemoryInfo`` are what ``nvidia-smi`` shows.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from autotrack.guard import asked

DRIVER = ("/dev/nvidiactl", "/dev/dxg")  # on Linux, and under Windows; without them the library is not even imported

# Held while modules are imported and the driver is asked: a child that is forked meanwhile would find half a module, or a lock taken for ever.
busy = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=busy.acquire, after_in_parent=busy.release, after_in_child=busy.release)


class Gpus:
    """Those that this process may use. Asked by one thread, never that of the training."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handles: dict[int, Any] | None = None  # by the driver's number; None: not asked yet

    def values(self) -> dict[str, float]:
        """``system/gpu0_percent`` (of the time in which a kernel ran) and ``system/gpu0_memory_bytes`` (used by whomever), 0 as in nvidia-smi.

        Empty where there is no GPU, no driver or no library; a figure that a GPU does not give is left out.
        """
        with busy:
            if self._handles is None:
                self._handles = asked(self._found, None) or {}
            nvml = self._nvml
            told: dict[str, float | None] = {}
            for number, handle in self._handles.items():
                told[f"system/gpu{number}_percent"] = asked(partial(_percent, nvml, handle), None)
                told[f"system/gpu{number}_memory_bytes"] = asked(partial(_used, nvml, handle), None)
            return {key: value for key, value in told.items() if value is not None}

    def _found(self) -> dict[int, Any]:
        """The GPUs, by number.   Raises: NVMLError where the driver does not answer."""
        spec = find_spec("pynvml") if any(map(os.path.exists, DRIVER)) else None
        if spec is None or Path(spec.origin or "").name != "pynvml.py":  # another package of that name warns when it is imported
            return {}
        import pynvml

        pynvml.nvmlInit()
        self._nvml = pynvml
        handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
        uuids = [_text(pynvml.nvmlDeviceGetUUID(handle)) for handle in handles]
        models = {_text(pynvml.nvmlDeviceGetName(handle)) for handle in handles}
        is_ordered = len(models) == 1 or os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
        return {number: handles[number] for number in visible(os.environ.get("CUDA_VISIBLE_DEVICES"), uuids, is_ordered=is_ordered)}


def _percent(nvml: Any, handle: Any) -> float:
    return float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)


def _used(nvml: Any, handle: Any) -> float:
    return float(nvml.nvmlDeviceGetMemoryInfo(handle).used)  # bytes


def visible(said: str | None, uuids: Sequence[str], *, is_ordered: bool) -> list[int]:
    """The driver's numbers of the GPUs that ``CUDA_VISIBLE_DEVICES`` leaves to a process.

    CUDA reads it up to the first word that names none. Unless ``is_ordered``, CUDA counts GPUs of several models in an order of its
    own: what a number means is then not known, and all are taken. So they are where a part of a GPU (``MIG-…``) is named.
    Source: CUDA C++ Programming Guide, "CUDA Environment Variables".
    """
    everyone = list(range(len(uuids)))
    if said is None:
        return everyone
    chosen: list[int] = []
    for word in said.split(","):
        word = word.strip()
        if word.startswith("MIG-"):
            return everyone
        if word.isdigit():
            if not is_ordered:
                return everyone
            found = [int(word)] if int(word) < len(uuids) else []
        else:
            found = [number for number, uuid in enumerate(uuids) if word and uuid.startswith(word)]
        if len(found) != 1 or found[0] in chosen:
            break
        chosen += found
    return sorted(chosen)


def _text(said: str | bytes) -> str:
    return said.decode() if isinstance(said, bytes) else said  # older versions answer in bytes
