"""A notebook: a run opened in one cell is current in the next ones, also where cells await, and the kernel's end ends it truthfully."""

import os

import pytest

import autotrack

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::ResourceWarning")]


def execute(store, *cells, errors=False):
    """Run cells in a kernel of their own; the notebook with its outputs."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    resources = {"metadata": {"path": str(store.parent)}}
    return nbclient.NotebookClient(book, timeout=60, kernel_name="python3", resources=resources, allow_errors=errors).execute()


def outputs(book):
    return [output.get("text", output.get("evalue", "")) for cell in book.cells for output in cell.outputs]


@pytest.fixture(autouse=True)
def _quiet_kernel(monkeypatch):
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/someone/explore data.ipynb")
    monkeypatch.delenv("AUTOTRACK_STRICT")
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):  # what the client sets
        del os.environ[name]


def test_a_plain_run_stays_current_in_later_cells_with_and_without_await(store):
    book = execute(
        store,
        "import autotrack\nrun = autotrack.start_run('plain', params={'lr': 0.1})",
        "import asyncio\nfor step in range(5):\n    await asyncio.sleep(0)\n    autotrack.log({'loss': 1 / (step + 1)}, step=step)",
        "assert autotrack.current_run() is run\nautotrack.set_tags({'seen': 'yes'})\nwith autotrack.start_run('inner'):\n    await asyncio.sleep(0)\n"
        "    autotrack.log({'x': 1.0})\nassert autotrack.current_run() is run",
        "run.finish()\nassert autotrack.current_run() is None",
    )
    assert outputs(book) == []
    (plain,) = autotrack.search_runs("name = 'plain'")
    (inner,) = autotrack.search_runs("name = 'inner'")
    assert (plain.status, plain.experiment, plain.params["lr"], plain.tags["seen"]) == ("finished", "explore data", 0.1, "yes")
    assert plain.history("loss").steps.tolist() == [0, 1, 2, 3, 4]
    assert (inner.parent_id, inner.metrics["x"], inner.status) == (plain.id, 1.0, "finished")
    assert autotrack.get_run(plain.id).environment["notebook"] == "/home/someone/explore data.ipynb"


def test_a_run_opened_in_a_cell_that_awaits_stays_current_too(store):
    book = execute(
        store,
        "import asyncio, autotrack\nawait asyncio.sleep(0)\nrun = autotrack.start_run('awaited')",
        "autotrack.log({'a': 1.0})",
        "await asyncio.sleep(0)\nautotrack.log({'b': 2.0})",
    )
    assert outputs(book) == []
    (run,) = autotrack.search_runs()
    assert dict(run.metrics) == {"a": 1.0, "b": 2.0}
    assert run.status in ("finished", "interrupted")  # the kernel was shut down, politely or by SIGTERM


def test_a_fit_in_one_cell_and_a_log_in_the_next(store):
    book = execute(
        store,
        "import autotrack\nautotrack.autolog()",
        "from sklearn.datasets import load_iris\nfrom sklearn.linear_model import LogisticRegression\n"
        "X, y = load_iris(return_X_y=True)\nmodel = LogisticRegression(max_iter=500).fit(X, y)",
        "autotrack.log({'test/acc': 0.5})",
    )
    assert outputs(book) == []
    (run,) = autotrack.search_runs()
    assert (run.name, run.status, run.metrics["test/acc"]) == ("LogisticRegression-1", "finished", 0.5)


def test_an_error_in_a_cell_ends_nothing_and_a_with_block_fails(store):
    execute(
        store,
        "import autotrack\nrun = autotrack.start_run('plain')",
        "with autotrack.start_run('block'):\n    1 / 0",
        "import sys\nsys.exit(3)",
        "autotrack.log({'later': 1.0})\nrun.finish()",
        errors=True,
    )
    found = {run.name: (run.status, run.error) for run in autotrack.search_runs()}
    assert found == {"plain": ("finished", None), "block": ("failed", "ZeroDivisionError: division by zero")}


LOOP = """
import torch
from torch.nn import functional as F
torch.manual_seed(0)
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
def train(steps, error=None):
    for step in range(steps):
        optimizer.zero_grad()
        loss = F.mse_loss(model(torch.ones(2, 4)), torch.zeros(2, 1))
        loss.backward()
        optimizer.step()
    if error is not None:
        raise error
"""


def test_a_loop_ends_with_its_cell_and_goes_on_in_another(store):
    pytest.importorskip("torch")
    found = "print([(r.status, r.error, r.metrics['loop/steps']) for r in autotrack.search_runs(order_by='started')])"
    book = execute(
        store,
        "import autotrack\nautotrack.autolog('torch')\n" + LOOP,
        "train(5)",
        found,
        "train(3, ValueError('too hot'))",
        found,
        "train(2, KeyboardInterrupt())",
        found,
        "train(2)",
        errors=True,
    )
    told = [text.strip() for text in outputs(book) if text.startswith("[(")]
    assert told == ["[('finished', None, 5)]", "[('failed', 'ValueError: too hot', 8)]", "[('interrupted', 'KeyboardInterrupt', 10)]"]
    (run,) = autotrack.search_runs()
    assert (run.status, len(autotrack.get_run(run.id).history("train/loss"))) == ("finished", 12)


SHOWN = """
import autotrack
with autotrack.start_run("<script>alert(1)</script>", params={"lr": 0.1, "<img src=x onerror=alert(2)>": "</td>"}) as run:
    for step in range(20):
        autotrack.log({"train/loss": 1 / (step + 1), "val/loss": 1.5 / (step + 1)}, step=step)
with autotrack.start_run("b", params={"lr": 0.2}) as other:
    autotrack.log({"val/loss": 0.25}, step=0)
"""


def test_what_is_displayed_is_static_html(store):
    view = "autotrack.get_run(run.id)"
    shown = ["run", view, "autotrack.search_runs()", f"{view}.history('val/loss')", "autotrack.compare(run.id, other.id)"]
    book = execute(store, SHOWN, *shown, "autotrack.start_run('going on')")
    pages = [output["data"]["text/html"] for cell in book.cells for output in cell.outputs]
    assert len(pages) == len(shown) + 1
    for page in pages:
        assert "<script" not in page
        assert "<img" not in page
        assert "http" not in page
    assert [("<svg" in page, "<table" in page) for page in pages[:5]] == [(True, True), (True, True), (False, True), (True, False), (False, True)]
    assert pages[0] == pages[1]
    assert "&lt;script&gt;alert(1)" in pages[2]
    assert "running" in pages[5]
    assert all("text/plain" in output["data"] for cell in book.cells for output in cell.outputs)


def test_a_display_that_cannot_be_had_is_no_error(store):
    book = execute(store, "import autotrack\nautotrack.configure(disabled=True)\nautotrack.start_run()", "autotrack.search_runs()")
    assert "text/html" not in book.cells[0].outputs[0]["data"]
    assert "0 runs" in book.cells[1].outputs[0]["data"]["text/html"]
