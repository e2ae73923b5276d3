"""Which GPUs are a process's, and that their absence is nothing."""

import subprocess
import sys

import pytest

from autotrack.recording import gpus
from autotrack.recording.gpus import Gpus, visible

UUIDS = ["GPU-aaaa-1111", "GPU-bbbb-2222", "GPU-bbbb-3333"]


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("1", [1]),
        ("2,0", [0, 2]),
        ("0,7,1", [0]),  # CUDA stops at the first that there is not
        ("0,-1,1", [0]),
        ("0,0", [0]),
        ("GPU-aaaa", [0]),
        ("GPU-bbbb", []),  # two begin so
        ("GPU-bbbb-3, GPU-aaaa", [0, 2]),
        ("MIG-GPU-aaaa/1/0", [0, 1, 2]),
        ("NoDevFiles", []),
    ],
)
def test_visible_devices_are_read_as_cuda_reads_them(said, chosen):
    assert visible(said, UUIDS, is_ordered=True) == chosen


def test_numbers_of_gpus_of_several_models_are_not_guessed():
    assert visible("1", UUIDS, is_ordered=False) == [0, 1, 2]
    assert visible("GPU-bbbb-2", UUIDS, is_ordered=False) == [1]


def test_without_a_driver_the_library_is_not_imported():
    program = "import sys; from autotrack.recording import gpus; gpus.DRIVER = ('/nowhere',); print(gpus.Gpus().values(), 'pynvml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "{} False\n"


def test_a_driver_that_does_not_answer_is_asked_once(monkeypatch):
    pynvml = pytest.importorskip("pynvml")
    monkeypatch.setattr(gpus, "DRIVER", ("/",))
    try:
        pynvml.nvmlInit()
        pytest.skip("here is one that answers")
    except pynvml.NVMLError:
        pass
    found = Gpus()
    assert found.values() == {}
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: pytest.fail("asked again"))
    assert found.values() == {}


def test_a_gpu_tells_its_memory_and_how_busy_it_is():
    pynvml = pytest.importorskip("pynvml")
    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError:
        pytest.skip("no NVIDIA driver")
    told = Gpus().values()
    assert len(told) >= count
    assert 0 < told["system/gpu0_memory_bytes"] <= pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(0)).total
    assert 0 <= told["system/gpu0_percent"] <= 100
