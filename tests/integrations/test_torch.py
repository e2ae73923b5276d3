"""Plain PyTorch loops: what is one run, what its series are called, what is inferred, and that the loop is left as it was."""

import dataclasses
import hashlib
import itertools
import threading
import time

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402 - after the skip
from torch.nn import functional as F  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from autotrack.instrument import Integration, loader  # noqa: E402
from autotrack.integrations.torch import devices  # noqa: E402
from autotrack.recording import runs  # noqa: E402
from autotrack.recording.tracker import tracker  # noqa: E402
from autotrack.testing.integration_contract import IntegrationContract  # noqa: E402

torch.manual_seed(0)
X = torch.randn(128, 8)
Y = (X.sum(1) > 0).long()
DS = TensorDataset(X, Y)


def mlp(out=2, inner=16):
    return nn.Sequential(nn.Linear(8, inner), nn.ReLU(), nn.Linear(inner, out))


@pytest.fixture
def observed(tracked):
    loader.autolog("torch")
    yield tracked
    loader.disable()


def finished(tracked):
    """All runs, once nothing is heard any more."""
    loader.disable()
    return tracked.runs()


def points(run, key):
    series = run.history(key)
    assert len(set(series.steps.tolist())) == len(series)
    return series.values.tolist()


def classify(model, optimizer, epochs=1, size=32):
    losses = []
    for _ in range(epochs):
        for x, y in DataLoader(DS, size):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def fetched_ahead(batches):
    """As NVIDIA's ``data_prefetcher`` and Accelerate's loaders do: the next one is there before this one is given."""
    batches = iter(batches)
    batch = next(batches)
    for following in batches:
        yield batch
        batch = following
    yield batch


def only_some(batches):
    """One that leaves out its first."""
    return itertools.islice(batches, 1, None)


@pytest.mark.parametrize(("through", "size", "last_steps"), [
    (iter, 32, [3, 7, 11]),
    (fetched_ahead, 32, [3, 7, 11]),
    (fetched_ahead, 64, [1, 3, 5]),
    (fetched_ahead, 128, [0, 1, 2]),
    (only_some, 32, [2, 5, 8]),
])  # fmt: skip
@pytest.mark.parametrize("evaluates", [False, True])
def test_an_epoch_ends_with_its_last_step_also_where_batches_are_fetched_ahead(observed, through, size, last_steps, evaluates):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_loader = DataLoader(DS, size)
    for _ in range(3):
        for x, y in through(train_loader):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        if evaluates:
            with torch.no_grad():
                F.cross_entropy(model(X), Y)
    (run,) = finished(observed)
    for name in ("epoch", "time/epoch_s", "time/step_s"):
        assert run.history(name).steps.tolist() == last_steps, name
    assert points(run, "epoch") == [0, 1, 2]


class TestContract(IntegrationContract):
    name = "torch"
    targets = ("torch.autograd:backward",)
    # The target is a part of the loop, not the loop: when it raises for the first time, nothing was stepped, and there is no run.
    test_the_users_exception_passes_as_it_is = None

    def train(self):
        torch.manual_seed(3)
        model = mlp()
        self.losses = classify(model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))
        return model

    def fingerprint(self, model):
        return [param.tolist() for param in model.parameters()], torch.get_rng_state().tolist()

    def curves(self, model):
        return {"train/loss": self.losses}

    def params(self, model):
        return {"optimizer": "SGD", "optimizer.lr": 0.1, "optimizer.momentum": 0.9, "model": "Sequential", "model.parameters": 178}


def test_a_classifier_is_one_run_with_its_losses_epochs_and_facts(observed):
    train_loader, val_loader = DataLoader(DS, 32, shuffle=True), DataLoader(DS, 50)
    model = mlp()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    criterion = nn.CrossEntropyLoss()
    losses, val_losses = [], []
    for _ in range(3):
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        val_loss = 0.0
        with torch.no_grad():
            for x, y in val_loader:
                val_loss += criterion(model(x), y).item() * len(x)
        val_losses.append(val_loss / len(DS))
    (run,) = finished(observed)
    assert (run.name, run.status) == ("Sequential-1", "finished")
    assert points(run, "train/loss") == losses
    assert points(run, "val/loss") == pytest.approx(val_losses)
    assert run.history("val/loss").steps.tolist() == [3, 7, 11]
    assert points(run, "epoch") == [0, 1, 2]
    assert points(run, "lr") == [0.01]
    assert all(samples > 0 for samples in points(run, "time/samples_per_s"))
    expected = {"optimizer": "Adam", "optimizer.betas": [0.9, 0.999], "model.trainable": 178, "model.bytes": 712, "model.device": "cpu"}
    expected |= {"loader.batch_size": 32, "loader.samples": 128, "loader.sampler": "RandomSampler"}
    assert {key: run.params.get(key) for key in expected} == expected
    assert run.metrics["loop/steps"] == 12
    assert run.metrics["loop/epochs"] == 3
    assert [artifact.name for artifact in run.artifacts] == ["model.txt"]
    of_an_epoch = "epoch, time/epoch_s, time/data_wait_s, time/step_s, time/samples_per_s"
    assert run.tags["autotrack.inferred"] == f"runs, model, epochs, names, {of_an_epoch}, val/loss"
    assert run.inferred == {*of_an_epoch.split(", "), "val/loss"}  # not train/loss, nor lr


@pytest.mark.parametrize("divided", [True, False])
def test_a_loss_that_was_multiplied_back_is_marked_as_concluded(observed, divided):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    means, losses = [], []
    for number in range(8):
        loss = F.cross_entropy(model(X), Y)
        losses.append(loss.item())
        if divided:
            loss = loss / 4
        loss.backward()
        if number % 4 == 3:
            optimizer.step()
            optimizer.zero_grad()
            means.append(sum(losses) / 4)
            losses.clear()
    (run,) = finished(observed)
    assert points(run, "train/loss") == pytest.approx(means)
    assert run.inferred == ({"train/loss"} if divided else set())


@pytest.mark.parametrize("between", ["nothing", "a division by one", "a scale", "both"])
def test_a_division_is_seen_below_what_is_done_to_the_loss_after_it(observed, between):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", enabled=between in ("a scale", "both"))
    means, losses = [], []
    for number in range(8):
        loss = F.cross_entropy(model(X[:8] * number), Y[:8])
        losses.append(loss.item())
        loss = loss / 2
        if between in ("a division by one", "both"):
            loss = loss / 1
        scaler.scale(loss).backward()
        if number % 2:
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            means.append(sum(losses[-2:]) / 2)
    (run,) = finished(observed)
    assert points(run, "train/loss") == pytest.approx(means)


def test_a_loader_with_torchs_own_sampler_of_batches_is_told_as_if_it_had_made_that(observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = DataLoader(DS, batch_sampler=torch.utils.data.BatchSampler(torch.utils.data.RandomSampler(DS), 48, drop_last=False))
    for x, y in batches:
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    (run,) = finished(observed)
    assert len(run.history("time/samples_per_s")) == 1
    told = {name: run.params.get(f"loader.{name}") for name in ("batch_size", "sampler", "samples", "drop_last")}
    assert told == {"batch_size": 48, "sampler": "RandomSampler", "samples": 128, "drop_last": False}


def test_a_model_that_fabric_wraps_goes_by_its_own_class(observed, monkeypatch):
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # Fabric sets it itself, and leaves it
    fabric = pytest.importorskip("lightning.fabric").Fabric(accelerator="cpu", devices=1)
    model = mlp()
    model, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.1))
    batches = fabric.setup_dataloaders(DataLoader(DS, 64))
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        fabric.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    (run,) = finished(observed)
    assert (run.name, run.params["model"], run.params["model.wrapper"]) == ("Sequential-1", "Sequential", "_FabricModule")
    assert points(run, "train/loss") == losses


def test_what_was_heard_before_it_was_switched_off_is_not_of_a_later_training(observed):
    first, second = mlp(), mlp()
    optimizer = torch.optim.SGD(first.parameters(), lr=0.1)
    F.cross_entropy(first(X), Y).backward()
    torch.nn.utils.clip_grad_norm_(first.parameters(), 1.0)
    list(DataLoader(DS, 64))
    loader.disable()
    loader.autolog("torch")
    optimizer = torch.optim.SGD(second.parameters(), lr=0.1)
    F.cross_entropy(second(X), Y).backward()
    optimizer.step()
    (run,) = finished(observed)
    assert {"grad_norm", "epoch"}.isdisjoint(run.statistics)
    assert "loader.samples" not in run.params


class Pairs(torch.utils.data.Sampler):
    def __iter__(self):
        return iter([[0, 1], [2, 3]])


def test_a_sampler_of_batches_of_the_users_is_told_by_its_name(observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = DataLoader(DS, batch_sampler=Pairs())
    for x, y in batches:
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    (run,) = finished(observed)
    assert {name: value for name, value in run.params.items() if name.startswith("loader.")} == {"loader.workers": 0, "loader.sampler": "Pairs"}
    assert "time/samples_per_s" not in run.statistics


def test_a_rate_is_the_users_though_a_warm_up_begins_with_less(observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    warm_up = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, step / 4))
    for _ in range(3):
        F.cross_entropy(model(X), Y).backward()
        optimizer.step()
        warm_up.step()
    (run,) = finished(observed)
    assert run.params["optimizer.lr"] == 0.1
    assert "optimizer.initial_lr" not in run.params
    assert points(run, "lr") == [0.0, 0.025, 0.05]


def test_a_loss_without_its_step_is_not_told_of_a_fit_that_steps_later(observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = classify(model, optimizer)
    loss = F.cross_entropy(model(X), Y)
    loss.backward()
    with Integration("hosts", requires="torch>=2").begin("Host").within():
        for _ in range(3):
            F.cross_entropy(model(X), Y).backward()
            optimizer.step()
    optimizer.step()
    (run,) = [run for run in finished(observed) if run.kind == "torch"]
    assert points(run, "train/loss") == [*losses, loss.item()]


def test_a_run_ends_with_its_optimizer_and_goes_on_if_that_steps_again(observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    classify(model, optimizer)
    other = nn.Linear(8, 2)
    classify(other, torch.optim.SGD(other.parameters(), lr=0.1), epochs=5)
    assert [run.status for run in observed.runs()] == ["finished", "finished"]
    classify(model, optimizer)
    first, second = observed.runs()
    assert (first.status, second.status) == ("running", "finished")
    del optimizer
    first, second = observed.runs()
    assert [first.status, first.metrics["loop/steps"], second.metrics["loop/steps"]] == ["finished", 8, 20]


def test_what_is_logged_after_a_loop_is_the_loops(observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    classify(model, optimizer)
    runs.log({"test/accuracy": 0.5})
    assert observed.run().metrics["test/accuracy"] == 0.5
    assert optimizer.state is not None


def test_a_loop_speaks_to_the_users_run_and_a_second_one_to_a_child(observed):
    with runs.start_run("mine"):
        for _ in range(2):
            model = mlp()
            classify(model, torch.optim.SGD(model.parameters(), lr=0.1))
    with runs.start_run("another"):
        losses = classify(model, torch.optim.SGD(model.parameters(), lr=0.1))
    assert observed.tree() == {"mine": ["Sequential"], "another": []}
    assert points(observed.runs()[-1], "train/loss") == losses


def test_a_thread_that_dies_has_a_failed_run(observed, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def train():
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        classify(model, optimizer)
        raise ValueError("theirs")

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    run = observed.run()
    assert (run.status, run.error) == ("failed", "ValueError: theirs")


def test_inference_attacks_and_functional_training_make_no_run(observed):
    model = mlp().eval()
    unused = torch.optim.Adam(model.parameters())
    with torch.no_grad():
        for x, y in DataLoader(DS, 32):
            F.cross_entropy(model(x), y)
    for index in range(5):
        x = X[index : index + 1].clone().requires_grad_(True)
        model.zero_grad()
        F.cross_entropy(model(x), Y[index : index + 1]).backward()
    params = {name: param.detach() for name, param in model.named_parameters()}
    torch.func.grad(lambda p: F.cross_entropy(torch.func.functional_call(model, p, (X,)), Y))(params)
    assert unused.state == {}
    assert finished(observed) == []


def test_an_attack_on_the_inputs_within_a_training_is_not_its_loss(observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for x, y in DataLoader(DS, 32):
        delta = torch.zeros_like(x, requires_grad=True)
        for _ in range(3):
            attack = F.cross_entropy(model(x + delta), y)
            attack.backward()
            delta = (delta + 0.01 * delta.grad.sign()).detach().requires_grad_(True)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x + delta.detach()), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    (run,) = finished(observed)
    assert points(run, "train/loss") == losses
    assert [key for key in run.statistics if "attack" in key] == []


def test_a_loss_that_is_divided_by_the_size_of_its_batch_stays_divided(observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    said = []
    for number, (x, y) in enumerate(DataLoader(DS, 16)):
        loss = F.cross_entropy(model(x), y, reduction="sum") / 16
        loss.backward()
        said.append(loss.item())
        if number % 2:
            optimizer.step()
            optimizer.zero_grad()
    (run,) = finished(observed)
    assert points(run, "train/loss") == pytest.approx([(a + b) / 2 for a, b in zip(said[::2], said[1::2])])


def test_what_is_saved_is_told_and_the_newest_and_the_best_are_kept(observed, tmp_path):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch, offset in enumerate([1, 0, 2]):
        classify(model, optimizer)
        model.eval()
        with torch.no_grad():
            val_loss = F.cross_entropy(model(X) + offset * torch.tensor([1.0, -1.0]), Y)
        model.train()
        torch.save({"epoch": epoch, "model": model.state_dict(), "loss": val_loss}, tmp_path / f"epoch{epoch}.pt")
        if epoch:
            (tmp_path / f"epoch{epoch - 1}.pt").unlink()
    with open(tmp_path / "whole.pt", "wb") as file:
        torch.save(model, file)
    (run,) = finished(observed)
    kept = {artifact.name: artifact for artifact in run.artifacts if artifact.kind == "checkpoint"}
    assert sorted(kept) == ["checkpoints/epoch1.pt", "checkpoints/whole.pt"]
    assert (kept["checkpoints/epoch1.pt"].step, kept["checkpoints/epoch1.pt"].meta["best"]) == (7, True)
    assert kept["checkpoints/whole.pt"].digest == "sha256:" + hashlib.sha256((tmp_path / "whole.pt").read_bytes()).hexdigest()
    (table,) = (artifact for artifact in run.artifacts if artifact.name == "checkpoints.jsonl")
    assert table.meta["rows"] == 4


def test_checkpoints_can_be_left_out(tracked, tmp_path, monkeypatch):
    monkeypatch.setattr(tracker(), "settings", dataclasses.replace(tracker().settings, checkpoints=False))
    loader.autolog("torch")
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    classify(model, optimizer)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    assert optimizer.state is not None
    (run,) = finished(tracked)
    assert sorted(artifact.name for artifact in run.artifacts) == ["checkpoints.jsonl", "model.txt"]


class Slow:
    """The CPU, as a device whose numbers come true some time after they were asked for; to read one earlier is an error."""

    def __init__(self, latency_s):
        self.latency_s, self.is_captured = latency_s, False

    def is_capturing(self):
        return self.is_captured

    def is_overwritten(self):
        return False

    def copy(self, tensors):
        assert not self.is_captured, "something was put on the device while a graph was being captured"
        ready, values = time.monotonic() + self.latency_s, [float(tensor) for tensor in tensors]

        class Event:
            def query(self):
                return time.monotonic() >= ready

        class Memory:
            def tolist(self):
                assert time.monotonic() >= ready, "read before the copy was done"
                return values

        return Event(), Memory()


@pytest.fixture
def slow(monkeypatch):
    device = Slow(0.02)
    monkeypatch.setattr(devices.readers, "is_pretending", True)
    monkeypatch.setattr(devices.readers, "opened", lambda _: device)
    yield device
    devices.readers.readers.clear()


def test_numbers_on_a_device_are_read_later_each_at_its_own_step(slow, observed):
    model = mlp()
    losses = classify(model, torch.optim.SGD(model.parameters(), lr=0.1), epochs=50)
    (run,) = finished(observed)
    assert points(run, "train/loss") == losses
    assert run.history("train/loss").steps.tolist() == list(range(200))


def test_the_mean_of_numbers_on_a_device_comes_when_the_last_is_there(slow, observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    said = []
    for number, (x, y) in enumerate(DataLoader(DS, 8)):
        loss = F.cross_entropy(model(x), y)
        (loss / 2).backward()
        said.append(loss.item())
        if number % 2:
            optimizer.step()
            optimizer.zero_grad()
    (run,) = finished(observed)
    assert points(run, "train/loss") == pytest.approx([(a + b) / 2 for a, b in zip(said[::2], said[1::2])])


def test_a_device_that_never_answers_costs_a_bounded_wait_and_is_counted(slow, observed, monkeypatch):
    slow.latency_s = 3600
    monkeypatch.setattr(devices.Reader.flush, "__defaults__", (0.1,))
    model = mlp()
    classify(model, torch.optim.SGD(model.parameters(), lr=0.1))
    (run,) = finished(observed)
    assert run.metrics["loop/lost_values"] == 4
    assert run.metrics["loop/steps"] == 4
    assert "train/loss" not in run.statistics


def test_while_a_graph_is_captured_nothing_is_asked_of_the_device(slow, observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    classify(model, optimizer)
    slow.is_captured = True
    classify(model, optimizer)
    slow.is_captured = False
    losses = classify(model, optimizer)
    (run,) = finished(observed)
    assert run.metrics["loop/lost_values"] == 4
    assert points(run, "train/loss")[-4:] == losses


def test_a_loss_that_is_changed_in_place_before_it_was_read_is_a_gap(slow, observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in DataLoader(DS, 32):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        loss.detach().mul_(100)
    (run,) = finished(observed)
    assert run.metrics["loop/lost_values"] == 4
    assert "train/loss" not in run.statistics


@pytest.mark.filterwarnings("ignore")
def test_a_step_that_a_scaler_skips_is_counted_and_its_loss_is_no_part_of_the_next(observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    losses = []
    for number, (x, y) in enumerate(DataLoader(DS, 32)):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        scaler.scale(loss).backward()
        if number == 2:
            model[0].bias.grad[0] = float("inf")
        else:
            losses.append(loss.item())
        scaler.step(optimizer)
        scaler.update()
    (run,) = finished(observed)
    assert points(run, "train/loss") == losses
    assert (run.metrics["loop/skipped_steps"], run.metrics["loop/amp"]) == (1, "GradScaler")
    assert "loop/backward_calls_per_step" not in run.metrics


def test_an_inner_loop_in_a_function_is_part_of_the_outer_one(observed):
    model = mlp(8)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    inner, outer = [], []

    def adapted(x):
        latent = torch.zeros(len(x), 8, requires_grad=True)
        own = torch.optim.SGD([latent], lr=0.1)
        for _ in range(3):
            own.zero_grad()
            rec = F.mse_loss(model(latent), x)
            rec.backward()
            own.step()
            inner.append(rec.item())
        return latent.detach()

    for number, (x, _) in enumerate(DataLoader(DS, 32)):
        latent, other = (adapted(x), adapted(x)) if number else (x, x)  # what steps first is the outer one
        optimizer.zero_grad()
        loss = F.mse_loss(model(latent), x) + F.mse_loss(model(other), x)
        loss.backward()
        optimizer.step()
        outer.append(loss.item())
    (run,) = finished(observed)
    assert points(run, "rec") == inner
    assert points(run, "train/loss") == outer


@pytest.mark.parametrize("loaders", ["apart", "of one set"])
def test_a_pass_in_a_function_that_trains_is_told_of_the_loader_and_not_of_the_function(observed, loaders):
    sets = {"train": DataLoader(DS, 32), "val": DataLoader(DS, 50)}
    if loaders == "of one set":
        sets["val"] = sets["train"]
    model = mlp()
    losses = []

    def train_model(optimizer):
        for _ in range(2):
            for phase in ("train", "val"):
                model.train(phase == "train")
                total = 0.0
                for x, y in sets[phase]:
                    with torch.set_grad_enabled(phase == "train"):
                        loss = F.cross_entropy(model(x), y)
                        if phase == "train":
                            optimizer.zero_grad()
                            loss.backward()
                            optimizer.step()
                    total += loss.item() * len(x) / len(DS)
                if phase == "val":
                    losses.append(total)

    train_model(torch.optim.SGD(model.parameters(), lr=0.1))
    (run,) = finished(observed)
    key = "val/loss" if loaders == "apart" else "train_eval/loss"
    assert points(run, key) == pytest.approx(losses)
    assert run.history(key).steps.tolist() == [3, 7]
    assert [other for other in run.statistics if other.endswith("/loss")] == ["train/loss", key]


@pytest.mark.parametrize("function", ["train", "train_loss"])
def test_an_evaluation_without_a_loader_is_told_of_training_only_where_a_name_speaks_of_its_loss(observed, function):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scope = {"F": F, "model": model, "torch": torch}
    exec(f"def {function}(x, y):\n model.eval()\n with torch.no_grad():\n  return F.cross_entropy(model(x), y)", scope)
    classify(model, optimizer)
    loss = scope[function](X, Y)
    (run,) = finished(observed)
    assert points(run, "val/loss" if function == "train" else "train_eval/loss") == [loss.item()]


def test_a_test_after_the_function_that_trained_is_of_its_run(observed):
    model = mlp()
    classify(model, torch.optim.SGD(model.parameters(), lr=0.1))
    model.eval()
    with torch.no_grad():
        test_loss = F.cross_entropy(model(X), Y)
    (run,) = finished(observed)
    assert points(run, "test/loss") == [test_loss.item()]
    assert run.inferred >= {"test/loss"}


@pytest.mark.parametrize("order", ["the later one last", "the later one first"])
def test_one_that_is_built_later_and_trained_by_the_same_lines_has_a_curve_of_its_own(observed, order):
    first, second = [], []

    def training(losses):
        model = mlp()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for x, y in zip(X.split(8), Y.split(8)):
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            yield

    one, other = training(first), training(second)
    if order == "the later one first":
        next(one)
        one, other = other, one
    for _ in zip(one, other):
        pass
    (run,) = finished(observed)
    assert points(run, "train/loss") == first
    assert points(run, "loss_2") == second
    assert run.metrics["loop/steps"] == len(first)


@pytest.mark.parametrize("late", ["before it", "after it"])
def test_a_late_optimizer_does_not_take_over_the_curve_of_another(observed, late):
    model, critic = mlp(), mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses, others = [], []
    for number, (x, y) in enumerate(zip(X.split(16), Y.split(16))):
        if number == 2:
            second = torch.optim.SGD(critic.parameters(), lr=0.1)
        if number >= 2 and late == "before it":
            loss = F.cross_entropy(critic(x), y)
            second.zero_grad()
            loss.backward()
            second.step()
            others.append(loss.item())
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if number >= 2 and late == "after it":
            loss = F.cross_entropy(critic(x), y)
            second.zero_grad()
            loss.backward()
            second.step()
            others.append(loss.item())
    (run,) = finished(observed)
    assert points(run, "train/loss") == losses
    assert points(run, "loss_2") == others
    assert run.history("loss_2").steps.tolist() == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("is_named", [False, True])
def test_what_a_teacher_says_of_the_batch_that_is_trained_on_is_no_validation(observed, is_named):
    teacher, student = mlp(), mlp()
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    losses = []
    train_loader = DataLoader(DS, 32)
    for _ in range(2):
        for x, y in train_loader if is_named else DataLoader(DS, 32):
            teacher.eval()
            with torch.no_grad():
                weight = F.cross_entropy(teacher(x), y)
            optimizer.zero_grad()
            loss = weight * F.cross_entropy(student(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    (run,) = finished(observed)
    assert points(run, "train/loss") == losses
    assert [key for key in run.statistics if key.startswith(("val/", "train_eval/", "test/"))] == []


def test_a_validation_in_the_middle_of_an_epoch_is_one(observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    said = []
    for number, (x, y) in enumerate(DataLoader(DS, 32)):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        if number % 2:
            model.eval()
            with torch.no_grad():
                loss = F.cross_entropy(model(X), Y)
            model.train()
            said.append(loss.item())
    (run,) = finished(observed)
    assert points(run, "val/loss") == said
    assert run.history("val/loss").steps.tolist() == [1, 3]


def test_parts_of_a_validation_loss_go_by_their_functions_and_the_whole_by_its_name(observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def losses(out):
        return {"cls": F.cross_entropy(out, Y), "reg": F.l1_loss(out[:, 0], X[:, 0])}

    classify(model, optimizer)
    model.eval()
    with torch.no_grad():
        parts = losses(model(X))
        val_loss = F.cross_entropy(model(X), Y)
        val_mae = F.l1_loss(model(X)[:, 0], X[:, 0])
    model.train()
    sum(losses(model(X)).values()).backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        each = [criterion(model(X)[:, 0], X[:, 0]).item() for criterion in (nn.MSELoss(), nn.L1Loss())]
    (run,) = finished(observed)
    assert {key: points(run, key) for key in run.statistics if key.startswith("val/")} == {
        "val/cross_entropy": [parts["cls"].item()],
        "val/l1_loss": [parts["reg"].item(), each[1]],
        "val/loss": [val_loss.item()],
        "val/l1_loss_2": [val_mae.item()],  # of another call at the same step
        "val/mse_loss": [each[0]],
    }


def test_what_is_evaluated_at_one_step_on_other_loaders_or_by_other_lines_are_other_curves(observed):
    model = mlp()
    average = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen, unseen = DataLoader(TensorDataset(X[:40], Y[:40]), 20), DataLoader(TensorDataset(X[40:80], Y[40:80]), 20)

    def evaluate(model, loader):
        model.eval()
        total = 0.0
        with torch.no_grad():
            for x, y in loader:
                total += F.cross_entropy(model(x), y).item() / len(loader)
        model.train()
        return total

    told = []
    for _ in range(2):
        classify(model, optimizer)
        told.append([evaluate(model, seen), evaluate(model, unseen), evaluate(average, seen)])
    (run,) = finished(observed)
    assert [points(run, key) for key in ("val/loss", "val/loss_2", "val/loss_3")] == [pytest.approx(each) for each in zip(*told)]


def test_the_same_lines_at_one_step_are_one_curve(observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    classify(model, optimizer)
    model.eval()
    test_loader = DataLoader(DS, 64)
    said = []
    for noise in (0.0, 0.1, 0.2):
        with torch.no_grad():
            said.append(sum(F.cross_entropy(model(x + noise), y).item() / 2 for x, y in test_loader))
    (run,) = finished(observed)
    assert run.history("test/loss").values.tolist() == pytest.approx(said)
    assert "test/loss_2" not in run.statistics


def test_a_validation_on_the_first_batches_is_neither_an_epoch_nor_taken_for_training(observed):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = itertools.cycle(DataLoader(DS, 32))  # which goes over the loader once, and keeps what it gave
    val_loader = DataLoader(DS, 40)
    said = []
    for step in range(12):
        x, y = next(batches)
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        if step % 3 == 2:
            model.eval()
            with torch.no_grad():
                said.append(sum(F.cross_entropy(model(x), y).item() / 2 for x, y in itertools.islice(val_loader, 2)))
            model.train()
    (run,) = finished(observed)
    assert points(run, "val/loss") == pytest.approx(said)
    assert run.history("val/loss").steps.tolist() == [2, 5, 8, 11]
    assert run.metrics["loop/epochs"] == 1


def test_an_evaluation_of_several_sets_in_turn_is_told_apart_by_what_is_said_or_not_told(observed, tmp_path):
    """Of a text that is read: a file of its own, as a program's."""
    program = tmp_path / "program.py"
    program.write_text(
        "import torch\n"
        "def loss_of(split):\n"
        "    x, y = sets[split]\n"
        "    return F.cross_entropy(model(x), y)\n"
        "def both():\n"
        "    return {split: loss_of(split) for split in ['train', 'val']}\n"
        "def one_by_one():\n"
        "    out = {}\n"
        "    for split in ['train', 'val']:\n"
        "        out[split] = loss_of(split)\n"
        "    return out\n"
        "def apart():\n"
        "    return loss_of('train'), loss_of(split='val')\n"
    )
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scope = {"F": F, "model": model, "sets": {"train": (X, Y), "val": (X[:30], Y[:30])}}
    exec(compile(program.read_text(), str(program), "exec"), scope)
    told = []
    for function in ("both", "one_by_one", "apart"):
        model.train()
        classify(model, optimizer)
        model.eval()
        with torch.no_grad():
            told.append(scope[function]())
    (run,) = finished(observed)
    assert {key: points(run, key) for key in run.statistics if key.startswith(("val/", "train_eval/"))} == {
        "train_eval/loss": [told[2][0].item()],
        "val/loss": [told[2][1].item()],
    }
