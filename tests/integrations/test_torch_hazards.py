"""How listening to a plain PyTorch loop could hurt it, and must not: each with the real framework. "Plain" is without autolog."""

import copy
import functools
import gc
import importlib
import inspect
import json
import os
import pickle
import pkgutil
import random
import subprocess
import sys
import threading
import time
import warnings
import weakref

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import autotrack.integrations.torch as package
from autotrack.instrument import loader

PACKAGE = "autotrack.integrations.torch"
X = torch.randn(32, 4, generator=torch.Generator().manual_seed(1))
Y = torch.randint(0, 3, (32,), generator=torch.Generator().manual_seed(2))


@pytest.fixture
def observed(tracked):
    loader.autolog("torch")
    yield tracked
    loader.disable()


def plainly(function):
    """What a function gives without autolog."""
    loader.disable()
    try:
        return function()
    finally:
        loader.autolog("torch")


def made(seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 3))
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train(model, optimizer, steps=4):
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), Y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def everything(folder):
    """A training that touches all that is listened to; what it leaves."""
    random.seed(3)
    np.random.seed(3)
    model, optimizer = made()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    batches, held_out = DataLoader(TensorDataset(X, Y), 8, shuffle=True), DataLoader(TensorDataset(X, Y), 16)
    seen = []
    for epoch in range(2):
        model.train()
        for x, y in batches:
            for part in (slice(0, 4), slice(4, 8)):
                loss = F.cross_entropy(model(x[part]), y[part]) / 2
                scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            seen.append(loss.item())
        scheduler.step()
        model.eval()
        with torch.no_grad():
            val_loss = sum(F.cross_entropy(model(x), y).item() for x, y in held_out)
        seen.append(val_loss)
        torch.save(model.state_dict(), folder / f"{epoch}.pt")
    for step in range(3):
        F.mse_loss(model(X).sum(), torch.tensor(float(step))).backward()
    drawn = random.random(), np.random.rand(), torch.rand(1).item()
    saved = [path.read_bytes() for path in sorted(folder.glob("*.pt"))]
    return [p.detach().clone() for p in model.parameters()], optimizer.state_dict(), seen, drawn, saved


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


def python(program, *words, **environment):
    """What a fresh process prints."""
    path = os.pathsep.join(folder for folder in sys.path if folder)
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "AUTOTRACK_QUIET": "1", "AUTOTRACK_URI": "memory:", **environment}
    done = subprocess.run([sys.executable, "-c", program, *map(str, words)], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


# Memory.


@pytest.mark.parametrize("retain", [False, True])
def test_loss_and_graph_die_with_the_users_names(observed, retain):
    model, optimizer = made()
    for _ in range(3):  # the first step goes another way than the others
        hidden = model[0](X)
        loss = F.cross_entropy(model[1:](hidden), Y)
        loss.backward(retain_graph=retain)
        optimizer.step()
        refs = [weakref.ref(hidden), weakref.ref(loss)]
        del hidden, loss
        assert [ref() for ref in refs] == [None, None]


def test_a_tensor_that_is_deleted_is_gone_while_the_function_runs(observed):
    def run():
        model, optimizer = made()
        big = torch.zeros(1000)
        ref = weakref.ref(big)
        loss = F.cross_entropy(model(X), Y) + big.sum()
        loss.backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            val_loss = F.cross_entropy(model(X), Y)
        del big, loss
        return ref() is None and val_loss is not None

    assert run()


def test_model_optimizer_and_loader_die_when_they_are_deleted(observed):
    def alive():
        model, optimizer = made()
        batches = DataLoader(TensorDataset(X, Y), 8)
        for x, y in batches:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        refs = [weakref.ref(thing) for thing in (model, optimizer, batches, batches.dataset)]
        del model, optimizer, batches, x, y
        gc.collect()
        return [ref() for ref in refs]

    assert alive() == [None] * 4
    assert observed.run().status == "finished"


def test_losses_that_nobody_steps_on_do_not_pile_up(observed):
    model, _ = made()
    from autotrack.integrations.torch import hearing
    from autotrack.integrations.torch.ears import ears

    for _ in range(hearing.MOST_PENDING + 50):
        model[3].bias.sum().backward()
    assert len(ears.here().pending) <= hearing.MOST_PENDING + 1
    assert observed.runs() == []


# No marks, pickles, copies.


def test_no_attribute_and_no_hook_is_added(observed):
    def marks():
        model, optimizer = made()
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        batches = DataLoader(TensorDataset(X, Y), 8)
        for x, y in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
        model.eval()
        hooks = [(name, len(hooks)) for module in model.modules() for name, hooks in vars(module).items() if name.endswith("hooks")]
        things = [*model.modules(), optimizer, scheduler, batches, *model.parameters(), loss]
        return [sorted(vars(thing)) for thing in things], hooks, len(optimizer._optimizer_step_post_hooks), sorted(optimizer.param_groups[0])

    assert marks() == plainly(marks)


def test_there_is_no_global_forward_or_backward_hook(observed):
    train(*made())
    module = torch.nn.modules.module
    for table in ("_global_forward_hooks", "_global_forward_pre_hooks", "_global_backward_hooks", "_global_backward_pre_hooks"):
        assert len(getattr(module, table)) == 0


def things():
    model, optimizer = made()
    train(model, optimizer)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=5)
    batches = DataLoader(TensorDataset(X, Y), 8)
    next(iter(batches))
    return {
        "module": model,
        "optimizer": optimizer,
        "scheduler": scheduler.state_dict(),
        "loader": batches,
        "scaler": torch.amp.GradScaler("cpu"),
        "bound train": model.train,
        "bound step": made()[1].step,
        "backward": torch.autograd.backward,
        "backward of a tensor": torch.Tensor.backward,
        "save": torch.save,
        "clip": nn.utils.clip_grad_norm_,
        "cross_entropy": F.cross_entropy,
        "criterion": nn.CrossEntropyLoss(),
    }


def test_pickles_have_nothing_of_ours_and_load_where_autotrack_is_absent(observed, tmp_path):
    model, optimizer = made()
    train(model, optimizer)
    model.eval()  # losses are listened to from here
    with torch.no_grad():
        F.cross_entropy(model(X), Y)
    packed = {name: pickle.dumps(thing) for name, thing in things().items()}
    plain = plainly(lambda: {name: pickle.dumps(thing) for name, thing in things().items()})
    assert [name for name, raw in packed.items() if b"autotrack" in raw] == []
    assert {name: len(raw) for name, raw in packed.items()} == {name: len(raw) for name, raw in plain.items()}
    (tmp_path / "things").write_bytes(pickle.dumps(packed))
    program = """
import pickle, sys; sys.modules["autotrack"] = None
for raw in pickle.load(open(sys.argv[1], "rb")).values(): pickle.loads(raw)
"""
    python(program, tmp_path / "things")


def test_torch_save_is_one_function_under_all_its_names(observed):
    assert torch.save is torch.serialization.save
    assert pickle.loads(pickle.dumps(torch.save)) is torch.save


def test_a_whole_module_is_saved_and_loaded_without_us(observed, tmp_path):
    model, optimizer = made()
    train(model, optimizer)
    torch.save([model, optimizer], tmp_path / "whole.pt")
    program = """
import sys; sys.modules["autotrack"] = None
import torch
model, optimizer = torch.load(sys.argv[1], weights_only=False)
print(model(torch.ones(1, 4)).numel())
"""
    assert python(program, tmp_path / "whole.pt")[0] == "3\n"
    assert b"autotrack" not in (tmp_path / "whole.pt").read_bytes()


def test_deep_copies_are_whole_and_train_by_themselves(observed):
    def both():
        model, optimizer = made()
        train(model, optimizer)
        twin, other = copy.deepcopy((model, optimizer))
        train(twin, other, 2)
        return [p.detach().clone() for p in (*model.parameters(), *twin.parameters())], other.state_dict()

    assert equal(both(), plainly(both))


def test_script_trace_and_fx_while_losses_are_listened_to(observed):
    model, optimizer = made()
    train(model, optimizer)
    model.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of its age
        for criterion in (nn.CrossEntropyLoss(), nn.MSELoss(), nn.BCEWithLogitsLoss(), nn.SmoothL1Loss(), nn.KLDivLoss(reduction="batchmean")):
            torch.jit.script(criterion)
        assert torch.jit.script(nn.CrossEntropyLoss())(model(X), Y).item() == F.cross_entropy(model(X), Y).item()
        torch.jit.trace(model, X)
    torch.fx.symbolic_trace(model)


# torch.compile.

COMPILED = {
    "model and loss, with evaluation": """
model, optimizer = made()
net, criterion = torch.compile(model, backend="eager"), torch.compile(F.cross_entropy, backend="eager")
for epoch in range(2):
    net.train()
    for x, y in DataLoader(TensorDataset(X, Y), 8):
        optimizer.zero_grad(); loss = criterion(net(x), y); loss.backward(); optimizer.step()
    net.eval()
    with torch.no_grad():
        for x, y in DataLoader(TensorDataset(X, Y), 8):
            val_loss = F.cross_entropy(net(x), y)
""",
    "the whole step": """
model, optimizer = made()
@torch.compile(backend="eager")
def step(x, y):
    optimizer.zero_grad(); loss = F.cross_entropy(model(x), y); loss.backward(); optimizer.step()
    return loss
for _ in range(6): step(X, Y)
""",
    "the optimizer's step": """
model, optimizer = made()
@torch.compile(backend="eager")
def step(): optimizer.step()
for _ in range(4):
    optimizer.zero_grad(); loss = F.cross_entropy(model(X), Y); loss.backward(); step()
""",
    "autocast, clipping, a break of the user's": """
model, optimizer = made()
@torch.compile(backend="eager")
def forward(x):
    with torch.autocast("cpu", dtype=torch.bfloat16): out = model(x)
    torch._dynamo.graph_break()
    return out.float()
for _ in range(4):
    optimizer.zero_grad(); loss = F.cross_entropy(forward(X), Y); loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0); optimizer.step()
""",
    "compiled autograd": """
model, optimizer = made()
torch._dynamo.config.compiled_autograd = True
@torch.compile(backend="eager")
def forward_backward(x, y):
    loss = F.cross_entropy(model(x), y); loss.backward()
    return loss
for _ in range(3):
    optimizer.zero_grad(); forward_backward(X, Y); optimizer.step()
torch._dynamo.config.compiled_autograd = False
""",
    "sizes that change": """
model, optimizer = made()
net = torch.compile(model, backend="eager")
for n in (8, 16, 24, 32):
    optimizer.zero_grad(); loss = F.cross_entropy(net(X[:n]), Y[:n]); loss.backward(); optimizer.step()
""",
}
COUNT = """
import json, sys, torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
if sys.argv[1] == "observed":
    import autotrack; autotrack.autolog("torch")
torch.manual_seed(0)
X, Y = torch.randn(32, 4), torch.randint(0, 3, (32,))
def made():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    return model, torch.optim.SGD(model.parameters(), lr=0.1)
told = {}
for name, program in json.loads(sys.argv[2]).items():
    torch.zeros((), requires_grad=True).backward()  # whatever was evaluated before is over
    torch._dynamo.reset()
    counters = torch._dynamo.utils.counters
    counters.clear()
    space = dict(globals())
    error = None
    try:
        exec(compile(program, name, "exec"), space)
    except Exception as raised:
        error = f"{type(raised).__name__}: {str(raised)[-300:]}"
        torch._dynamo.config.compiled_autograd = False
    told[name] = {"error": error, "graphs": counters["stats"].get("unique_graphs"), "breaks": sum(counters["graph_break"].values()),
        "recompiles": sum(counters.get("recompile_limit", {}).values()) + sum(counters.get("recompiles", {}).values()),
        "weights": [p.sum().item() for p in space["model"].parameters()]}
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def counted():
    modes = {}
    for mode in ("plain", "observed"):
        out, err = python(COUNT, mode, json.dumps(COMPILED), TORCH_LOGS="recompiles,graph_breaks")
        modes[mode] = json.loads(out), err.count("Recompiling function"), err.count("Graph break in user code")
    return modes


@pytest.mark.parametrize("case", COMPILED)
def test_compiling_gives_as_many_graphs_and_breaks_as_plainly(counted, case):
    told, plain = counted["observed"][0][case], counted["plain"][0][case]
    assert told == plain
    assert plain["graphs"] >= 1 or case == "compiled autograd"
    assert plain["error"] is None


def test_compiling_recompiles_as_often_as_plainly(counted):
    assert counted["observed"][1] == counted["plain"][1]


def test_what_is_compiled_is_recorded(observed):
    model, optimizer = made()
    net = torch.compile(model, backend="eager")
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(X), Y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert observed.run().history("train/loss").values.tolist() == losses
    assert observed.run().params["model"] == "Sequential"


# Functional transforms, processes, threads.


def test_functional_transforms_of_a_loss_that_is_listened_to(observed):
    model, optimizer = made()
    train(model, optimizer)
    model.eval()
    params = {name: p.detach() for name, p in model.named_parameters()}

    def loss_of(params, x, y):
        return F.cross_entropy(torch.func.functional_call(model, params, (x.unsqueeze(0),)), y.unsqueeze(0))

    grads = torch.func.vmap(torch.func.grad(loss_of), in_dims=(None, 0, 0))(params, X, Y)
    assert grads["0.weight"].shape == (32, 8, 4)
    assert set(observed.run().statistics) == {"train/loss", "lr"}


class Asked(Dataset):
    """Each item says what a worker process has of ours."""

    def __len__(self):
        return 4

    def __getitem__(self, i):
        from autotrack.integrations.torch.ears import ears
        from autotrack.recording.tracker import tracker

        threads = sum(thread.name.startswith("autotrack") for thread in threading.enumerate())
        tables = (ears.threads, ears.steppers, ears.born, ears.owners, ears.passes)
        return torch.tensor([threads, sum(map(len, tables)), len(tracker().open)])


def test_workers_of_a_loader_have_nothing_of_ours(observed):
    model, optimizer = made()
    train(model, optimizer)
    rows = torch.cat(list(DataLoader(Asked(), batch_size=2, num_workers=2)))
    assert rows.tolist() == [[0, 0, 0]] * 4
    assert len(observed.runs()) == 1


DISTRIBUTED = """
import os, sys, torch, torch.distributed as dist
from torch import nn
dist.init_process_group("gloo")
torch.manual_seed(dist.get_rank())
model = nn.parallel.DistributedDataParallel(nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
losses = []
for _ in range(6):
    optimizer.zero_grad()
    loss = model(torch.randn(8, 4)).square().mean()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
torch.save([losses, model.state_dict()], f"{sys.argv[1]}/{dist.get_rank()}.pt")
del model, optimizer, loss  # torch 2.13 may hang where the model dies after its process group
dist.destroy_process_group()
"""


def test_two_processes_of_torchrun_are_one_run_and_train_as_plainly(tmp_path):
    from autotrack.backends.opening import open_backend

    (tmp_path / "train.py").write_text(DISTRIBUTED)
    (tmp_path / "pyproject.toml").write_text("")
    path = os.pathsep.join(folder for folder in sys.path if folder)
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "AUTOTRACK_QUIET": "1"}
    env.pop("AUTOTRACK_STRICT", None)
    left = {}
    for mode, start in (("plain", ["-m"]), ("observed", ["-m", "autotrack", "run", "-m"])):
        (tmp_path / mode).mkdir()
        words = ["torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2", "train.py", mode]
        done = subprocess.run([sys.executable, *start, *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        left[mode] = [torch.load(tmp_path / mode / f"{rank}.pt") for rank in (0, 1)]
    assert equal(left["observed"], left["plain"])
    backend = open_backend(f"sqlite:///{tmp_path / '.autotrack' / 'autotrack.db'}")
    (run,) = backend.runs()
    (curve,) = backend.series([run.id], ["train/loss"])
    backend.close()
    assert curve.values.tolist() == left["plain"][0][0]
    assert run.status == "finished"


def test_a_thread_that_has_trained_leaves_no_thread_of_ours_but_the_writer(observed):
    before = set(threading.enumerate())
    thread = threading.Thread(target=lambda: train(*made()))
    thread.start()
    thread.join()
    assert all(other.daemon for other in set(threading.enumerate()) - before)
    assert len(observed.runs()) == 1


# What others look at: signatures, schedulers, scalers, exceptions, warnings.


@pytest.mark.parametrize(
    "target",
    [
        "torch.autograd:backward",
        "torch:Tensor.backward",
        "torch:save",
        "torch.nn:Module.train",
        "torch.optim:Optimizer.__init__",
        "torch.optim:SGD.step",
        "torch.optim.lr_scheduler:LRScheduler.__init__",
        "torch.utils.data:DataLoader.__iter__",
        "torch.amp:GradScaler.scale",
        "torch.nn.utils:clip_grad_norm_",
        "torch.nn.functional:cross_entropy",
        "torch.nn.functional:mse_loss",
    ],
)
def test_signatures_names_and_docs_stay(observed, target):
    def looks():
        module, _, path = target.partition(":")
        found = functools.reduce(getattr, path.split("."), importlib.import_module(module))
        return found.__name__, found.__qualname__, found.__module__, found.__doc__, str(inspect.signature(found))

    model, optimizer = made()
    train(model, optimizer)
    model.eval()
    assert looks() == plainly(looks)


def test_a_scheduler_warns_of_the_order_of_steps_as_ever(observed):
    def warned(order):
        with warnings.catch_warnings(record=True) as shown:
            warnings.simplefilter("always")
            model, optimizer = made()
            scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
            F.cross_entropy(model(X), Y).backward()
            for step in (scheduler.step, optimizer.step) if order == "wrong" else (optimizer.step, scheduler.step):
                step()
            scheduler.step()
        return [str(each.message) for each in shown]

    for order in ("right", "wrong"):
        assert warned(order) == plainly(lambda order=order: warned(order))
    assert warned("right") == []
    assert any("before `optimizer.step()`" in text for text in warned("wrong"))


def test_a_scaler_finds_a_step_that_takes_it(observed):
    """``GradScaler.step`` looks at the signature of the optimizer's step."""

    class Mine(torch.optim.SGD):
        def step(self, closure=None, grad_scaler=None):
            seen.append(grad_scaler)
            return super().step(closure)

    seen = []
    model, _ = made()
    optimizer, scaler = Mine(model.parameters(), lr=0.1), torch.amp.GradScaler("cpu")
    optimizer._step_supports_amp_scaling = True
    scaler.scale(F.cross_entropy(model(X), Y)).backward()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scaler.step(optimizer)
    assert seen == [scaler]


@pytest.mark.parametrize("error", [ValueError("theirs"), KeyboardInterrupt(), SystemExit(3)], ids=lambda error: type(error).__name__)
def test_an_exception_out_of_a_backward_is_the_same_object(observed, error):
    class Raises(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            raise error

    model, optimizer = made()
    train(model, optimizer)
    with pytest.raises(type(error)) as caught:
        Raises.apply(model(X)).sum().backward()
    assert str(caught.value) == str(error)
    assert caught.value.__context__ is None
    train(model, optimizer, 2)
    assert len(observed.run().history("train/loss")) == 6


def test_torchs_own_errors_are_as_ever(observed):
    def said():
        model, _ = made()
        loss = F.cross_entropy(model(X), Y)
        loss.backward()
        told = []
        for wrong in (loss.backward, model(X).backward, torch.ones(1).backward, lambda: torch.autograd.backward(loss, no_such=1)):
            with pytest.raises((RuntimeError, TypeError)) as caught:
                wrong()
            told.append((type(caught.value), str(caught.value)))
        return told

    assert said() == plainly(said)


# Values.


def test_a_loss_that_is_changed_in_place_afterwards_is_recorded_as_it_was(observed):
    model, optimizer = made()
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), Y)
        loss.backward()
        losses.append(loss.item())
        with torch.no_grad():
            loss.zero_()
        optimizer.step()
    assert observed.run().history("train/loss").values.tolist() == losses


def test_nan_and_infinity_are_kept(observed):
    model, optimizer = made()
    for factor in (1.0, float("nan"), float("inf"), float("-inf")):
        optimizer.zero_grad()
        loss = model[3].bias.sum() * 0 + factor
        loss.backward()
        optimizer.step()
    assert str(observed.run().history("train/loss").values.tolist()) == "[1.0, nan, inf, -inf]"


class Special(torch.Tensor):
    """As a DTensor: reading it might have to talk to other processes."""

    def item(self):
        raise AssertionError("read")

    tolist = __float__ = item


def test_a_loss_that_is_no_plain_tensor_is_not_read(observed):
    model, optimizer = made()
    for _ in range(4):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), Y).as_subclass(Special)
        loss.backward()
        optimizer.step()
    loader.disable()
    run = observed.run()
    assert "train/loss" not in run.statistics
    assert run.metrics["loop/steps"] == 4


class FarAway:
    """A device whose numbers come true some time after they were asked for; reading one earlier fails."""

    def __init__(self, latency_s=0.02):
        self.latency_s, self.copies = latency_s, 0

    def is_capturing(self):
        return False

    is_overwritten = is_capturing

    def snapshot(self, tensor):
        return tensor.clone()

    def copy(self, tensors):
        self.copies += 1
        due = time.monotonic() + self.latency_s
        values = [tensor.detach().clone() for tensor in tensors]

        class Event:
            def query(self):
                return time.monotonic() >= due

        class Memory:
            def tolist(self):
                assert time.monotonic() >= due, "read before it was there"
                return [float(value.numpy()) for value in values]

        return Event(), Memory()


@pytest.fixture
def far(monkeypatch):
    """Every loss is on a device that is far away."""
    from autotrack.integrations.torch.devices import readers

    device = FarAway()
    monkeypatch.setattr(readers, "is_pretending", True)
    monkeypatch.setattr(readers, "opened", lambda _: device)
    monkeypatch.setattr(readers, "readers", {})
    return device


def test_the_training_thread_never_waits_for_a_device(observed, far, monkeypatch):
    me, losses, allowed = threading.get_ident(), [], False
    real = torch.Tensor.item

    def item(tensor):
        assert threading.get_ident() != me or allowed, "the training thread read a number from the device"
        return real(tensor)

    monkeypatch.setattr(torch.Tensor, "item", item)
    model, optimizer = made()
    longest = 0.0
    for _ in range(300):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), Y)
        began = time.thread_time()
        loss.backward()
        optimizer.step()
        longest = max(longest, time.thread_time() - began)
        losses.append(loss.detach())
    loader.disable()
    allowed = True
    curve = observed.run().history("train/loss")
    assert curve.values.tolist() == [real(loss) for loss in losses]
    assert curve.steps.tolist() == list(range(300))
    assert far.copies < 60
    assert longest < 0.1


def test_numbers_that_do_not_come_in_time_are_counted_and_nobody_waits_on(observed, far, monkeypatch):
    from autotrack.integrations.torch.devices import Reader

    far.latency_s = 60
    monkeypatch.setattr(Reader.flush, "__defaults__", (0.2,))
    model, optimizer = made()
    for _ in range(5):
        optimizer.zero_grad()
        F.cross_entropy(model(X), Y).backward()
        optimizer.step()
    began = time.monotonic()
    loader.disable()
    assert time.monotonic() - began < 5
    run = observed.run()
    assert run.metrics["loop/lost_values"] == 5
    assert "train/loss" not in run.statistics
    assert run.status == "finished"


# On and off.


def test_everything_is_restored(tracked):
    from torch.optim import optimizer as optimizers

    module = torch.nn.modules.module

    def picture():
        owners = [torch, torch.serialization, torch.autograd, torch.Tensor, torch.nn.Module, torch.optim.Optimizer, torch.amp.GradScaler, F]
        owners += [nn.utils, nn.utils.clip_grad, torch.optim.lr_scheduler.LRScheduler, torch.optim.lr_scheduler.ReduceLROnPlateau]
        owners += [DataLoader, torch.utils.data.dataloader._BaseDataLoaderIter, torch.optim.SGD, torch.optim.Adam]
        held = {(owner.__name__, name): value for owner in owners for name, value in vars(owner).items() if callable(value)}
        tables = [
            optimizers._global_optimizer_post_hooks,
            optimizers._global_optimizer_pre_hooks,
            module._global_parameter_registration_hooks,
            module._global_module_registration_hooks,
            module._global_buffer_registration_hooks,
        ]
        return held, [len(table) for table in tables], sys.excepthook, threading.excepthook

    before = picture()
    for _ in range(2):
        loader.autolog("torch")
        model, optimizer = made()
        train(model, optimizer)
        model.eval()
        del model, optimizer
        loader.disable()
        after = picture()
        changed = [place for place in before[0] if before[0][place] is not after[0].get(place)]
        assert changed == []
        assert after[1:] == before[1:]


def test_a_wrapper_of_somebody_else_on_top_stays_and_ours_sleeps(tracked):
    loader.autolog("torch")
    ours, calls = torch.autograd.backward, []

    @functools.wraps(ours)
    def theirs(*args, **kwargs):
        calls.append(1)
        return ours(*args, **kwargs)

    torch.autograd.backward = theirs
    try:
        loader.disable()
        assert torch.autograd.backward is theirs
        train(*made())
        assert len(calls) == 4
        assert tracked.runs() == []
    finally:
        torch.autograd.backward = ours
    loader.autolog("torch")
    loader.disable()


# Our failures.


def functions_of_ours():
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{PACKAGE}.{info.name}")
        for name, value in vars(module).items():
            if getattr(value, "__module__", None) != module.__name__:
                continue
            if inspect.isfunction(value):
                yield f"{info.name}.{name}"
            elif inspect.isclass(value) and not getattr(value, "_is_protocol", False):
                yield from (f"{info.name}.{name}.{each}" for each, method in vars(value).items() if inspect.isfunction(method) and each != "__init__")


def made_to_fail(where, monkeypatch):
    """Put a function that raises in the place of one of ours, under every name that modules of ours have for it."""
    module, _, path = where.partition(".")
    *owner, name = path.split(".")
    held = functools.reduce(getattr, owner, importlib.import_module(f"{PACKAGE}.{module}"))
    original = getattr(held, name)

    @functools.wraps(original)
    def fails(*args, **kwargs):
        raise RuntimeError(f"{where} was made to fail")

    monkeypatch.setattr(held, name, fails)
    if not owner:
        for info in pkgutil.iter_modules(package.__path__):
            other = importlib.import_module(f"{PACKAGE}.{info.name}")
            if vars(other).get(name) is original:
                monkeypatch.setattr(other, name, fails)


@pytest.fixture(scope="module")
def unobserved(tmp_path_factory):
    return everything(tmp_path_factory.mktemp("plain"))


def test_a_training_with_everything_is_the_same(observed, tmp_path, unobserved):
    assert equal(everything(tmp_path), unobserved)


GUARDED_INSIDE = {"models.note"}  # torch calls it itself, and its body is one guard


@pytest.mark.parametrize("where", [where for where in functions_of_ours() if where not in GUARDED_INSIDE])
@pytest.mark.filterwarnings("ignore")
def test_a_failure_of_ours_changes_nothing(tracked, monkeypatch, tmp_path, unobserved, where):
    from autotrack import guard

    monkeypatch.setenv("AUTOTRACK_STRICT", "0")
    monkeypatch.setattr(guard, "failures", type(guard.failures)())
    with monkeypatch.context() as broken:
        made_to_fail(where, broken)
        loader.autolog("torch")
        assert equal(everything(tmp_path), unobserved)
        loader.disable()
    loader.autolog("torch")
    loader.disable()
    gc.collect()  # what the failure left alone speaks when it dies: here, not in somebody else's store


LIVES_ON = """
import torch, autotrack
autotrack.autolog()
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(12):
    loss = model(torch.ones(4, 3)).pow(2).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
"""


@pytest.mark.parametrize("around", [{}, {"RANK": "1", "WORLD_SIZE": "2"}, {"AUTOTRACK_DISABLED": "1"}], ids=["alone", "second rank", "disabled"])
def test_an_optimizer_that_lives_until_the_end_says_nothing(tmp_path, around):
    env = {**os.environ, **around, "AUTOTRACK_URI": f"sqlite:///{tmp_path}/a.db"}
    done = subprocess.run([sys.executable, "-c", LIVES_ON], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
