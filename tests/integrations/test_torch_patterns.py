"""What programs around a plain loop look like: how they call backward, whom they ask for a validation, which loaders they go over at once."""

import itertools

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402 - after the skip
from torch.nn import functional as F  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from autotrack.instrument import loader  # noqa: E402

torch.manual_seed(0)
X = torch.randn(96, 8)
Y = (X.sum(1) > 0).long()
TRAIN, VAL = TensorDataset(X[:48], Y[:48]), TensorDataset(X[48:80], Y[48:80])


@pytest.fixture
def observed(tracked):
    loader.autolog("torch")
    yield tracked
    loader.disable()


def finished(tracked):
    loader.disable()
    return tracked.runs()


def curve(run, key):
    series = run.history(key)
    return dict(zip(series.steps.tolist(), series.values.tolist()))


def evaluated(run):
    return [key for key in run.statistics if key.startswith(("val/", "train_eval/", "test/"))]


def network():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))


class Updater:
    """Does backward and step for whoever calls it."""

    def __init__(self, scaler=None):
        self.scaler = scaler

    def __call__(self, value, stepped, *, steps=True):
        if self.scaler is None:
            value.backward()
        else:
            self.scaler.scale(value).backward()
        if steps and self.scaler is not None:
            self.scaler.step(stepped)
            self.scaler.update()
        elif steps:
            stepped.step()

    def apply(self, value, stepped):
        Updater.__call__(self, value, stepped)


def test_a_loss_that_is_given_to_an_object_that_is_called_goes_by_what_the_caller_wrote(observed):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    update, said = Updater(), []
    bound = update.apply
    for number in range(4):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X), Y)
        if number < 2:
            update(loss, optimizer)
        else:
            bound(loss, optimizer)
        said.append(loss.item())
    (run,) = finished(observed)
    assert curve(run, "train/loss") == dict(enumerate(said))


@pytest.mark.filterwarnings("ignore")
def test_a_loss_that_is_divided_and_then_scaled_is_told_undivided_and_unscaled(observed):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    update, means, window = Updater(torch.amp.GradScaler("cpu")), [], []
    for number, (x, y) in enumerate(DataLoader(TRAIN, 6)):
        loss = F.cross_entropy(model(x), y)
        window.append(loss.item())
        loss /= 4
        update(loss, optimizer, steps=number % 4 == 3)
        if number % 4 == 3:
            optimizer.zero_grad()
            means.append(sum(window) / 4)
            window.clear()
    (run,) = finished(observed)
    assert list(curve(run, "train/loss").values()) == pytest.approx(means)
    assert run.metrics["loop/backward_calls_per_step"] == 4


def test_halves_of_two_losses_of_one_line_are_no_accumulation(observed):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    said = []

    def halved(x, y):
        loss = (F.cross_entropy(model(x), y) + F.cross_entropy(model(-x), y)) * 0.5
        loss.backward()
        return loss.item()

    for _ in range(4):
        optimizer.zero_grad()
        said.append(sum(halved(*each) for each in ((X[:40], Y[:40]), (X[40:], Y[40:]))) / 2)
        optimizer.step()
    (run,) = finished(observed)
    assert list(curve(run, "train/loss").values()) == pytest.approx(said)


def test_what_a_function_evaluates_for_its_callers_is_of_the_set_that_they_speak_of(observed):
    model = network()
    optimizer = torch.optim.Adam(model.parameters())
    seen, unseen, last = torch.arange(40), torch.arange(40, 60), torch.arange(60, 96)
    told = {"train_eval/loss": [], "val/loss": [], "test/loss": []}

    def test(rows):
        model.eval()
        with torch.no_grad():
            out = model(X[rows])
            loss = F.cross_entropy(out, Y[rows])
        return loss.item(), (out.argmax(1) == Y[rows]).float().mean()

    def error_on(x_val):
        model.eval()
        with torch.no_grad():
            return F.cross_entropy(model(x_val), Y[: len(x_val)]).item()

    for number in range(6):
        model.train()
        optimizer.zero_grad()
        F.cross_entropy(model(X[seen]), Y[seen]).backward()
        optimizer.step()
        if number % 2 == 0:
            loss_train, _ = test(seen)
            loss_val, _ = test(unseen)
            told["train_eval/loss"].append(loss_train)
            told["val/loss"].append(loss_val)
        else:
            x_test = X[last]
            told["test/loss"].append(error_on(x_test))
    (run,) = finished(observed)
    assert {key: list(curve(run, key).values()) for key in told} == told


def test_a_call_that_speaks_of_several_sets_says_of_none_which_it_is(observed):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def loss_with(*_names):
        return F.cross_entropy(model(X), Y)

    loss_with().backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        out = loss_with("train", "test")
    (run,) = finished(observed)
    assert evaluated(run) == ["val/loss"]
    assert run.metrics["val/loss"] == out.item()


def test_one_function_for_several_sets_in_turn_tells_nothing_whatever_it_is_called(observed, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "def evaluate(split):\n"
        "    x, y = sets[split]\n"
        "    return F.cross_entropy(model(x), y)\n"
        "def both():\n"
        "    return {split: evaluate(split) for split in ('train', 'val')}\n"
    )
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scope = {"F": F, "model": model, "sets": {"train": (X, Y), "val": (X[:30], Y[:30])}}
    exec(compile(program.read_text(), str(program), "exec"), scope)
    F.cross_entropy(model(X), Y).backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        scope["both"]()
    (run,) = finished(observed)
    assert evaluated(run) == []


def test_a_part_of_a_validation_loss_is_not_told_as_the_whole(observed):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def part(out):
        return F.l1_loss(out, X[:, :2])

    def total(out):
        parts = {}
        parts["loss/recon"] = F.l1_loss(out, X[:, :2])
        parts["loss"] = parts["loss/recon"] + 0.1 * out.pow(2).mean()
        return parts

    said = []
    for evaluate in (total, lambda out: part(out) + out.pow(2).mean()):
        model.train()
        optimizer.zero_grad()
        F.cross_entropy(model(X), Y).backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            out = model(X)
            evaluate(out)
            recon_loss = F.l1_loss(out, X[:, :2])
            kept = {}
            kept["loss"] = F.mse_loss(out, X[:, :2])
        said.append((recon_loss.item(), kept["loss"].item()))
    (run,) = finished(observed)
    assert curve(run, "val/loss") == {step: whole for step, (_, whole) in enumerate(said)}
    assert curve(run, "val/l1_loss") == pytest.approx({step: part for step, (part, _) in enumerate(said)})


def test_what_is_returned_as_one_of_several_things_goes_by_what_the_caller_unpacks_it_to(observed):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def losses(out):
        return (F.cross_entropy(out, Y), out.abs().mean())

    def with_output(out):
        return out, F.mse_loss(out, X[:, :2])

    said = []
    for asked in ("parts", "whole"):
        model.train()
        optimizer.zero_grad()
        F.cross_entropy(model(X), Y).backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            if asked == "parts":
                class_loss, box_loss = losses(model(X))
                said.append((class_loss + box_loss, class_loss.item()))
            else:
                _out, loss = with_output(model(X))
                said.append(loss.item())
    (run,) = finished(observed)
    assert curve(run, "val/cross_entropy") == pytest.approx({0: said[0][1]})
    assert curve(run, "val/loss") == pytest.approx({1: said[1]})
    assert evaluated(run) == ["val/cross_entropy", "val/loss"]


@pytest.mark.parametrize("way", ["loss = loss + more", "loss += more", "total += loss"])
def test_a_validation_loss_that_is_added_to_in_a_later_line_is_a_part(observed, way):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = F.cross_entropy(model(X), Y)
    loss.backward()
    optimizer.step()
    model.eval()
    total = 0.0

    def in_two_lines(out):
        loss = F.cross_entropy(out, Y)
        loss = loss + out.pow(2).mean()
        return loss.item()

    def in_place(out):
        loss = F.cross_entropy(out, Y)
        more = out.pow(2).mean()
        loss += more
        return loss.item()

    with torch.no_grad():
        if way == "loss = loss + more":
            in_two_lines(model(X))
        elif way == "loss += more":
            in_place(model(X))
        else:
            loss = F.cross_entropy(model(X), Y)
            total += loss.item()
            loss = total + 1
    (run,) = finished(observed)
    assert evaluated(run) == ["val/loss" if way == "total += loss" else "val/cross_entropy"]


@pytest.mark.parametrize("way", ["zip", "next", "one batch of each"])
def test_of_two_loaders_that_feed_one_step_the_first_is_the_one_of_the_epochs(observed, way):
    labeled, others = DataLoader(TRAIN, 12, shuffle=True), DataLoader(VAL, 4, shuffle=True)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []

    def pairs():
        if way == "zip":
            yield from zip(labeled, others)
        rest = iter(others)
        for batch in labeled if way != "zip" else ():
            yield batch, next(rest if way == "next" else iter(others))

    for _ in range(3):
        for (x, y), (z, _) in pairs():
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y) + model(z).pow(2).mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            [model(x) for x, _ in DataLoader(VAL, 8)]
    (run,) = finished(observed)
    assert run.params["loader.samples"] == 48
    assert curve(run, "epoch") == {3: 0, 7: 1, 11: 2}
    assert list(curve(run, "train/loss").values()) == losses


def test_loaders_that_begin_anew_for_one_step_make_an_epoch_of_it(observed):
    loaders = [DataLoader(TRAIN, 16), DataLoader(VAL, 12)]
    passes = [iter(each) for each in loaders]
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def batch(number):
        try:
            return next(passes[number])
        except StopIteration:
            passes[number] = iter(loaders[number])
            return next(passes[number])

    for _ in range(7):
        (x, y), (z, w) = batch(0), batch(1)
        optimizer.zero_grad()
        F.cross_entropy(model(torch.cat([x, z])), torch.cat([y, w])).backward()
        optimizer.step()
    (run,) = finished(observed)
    assert curve(run, "epoch") == {2: 0, 5: 1, 6: 2}
    assert run.metrics["loop/epochs"] == 3


@pytest.mark.parametrize("way", ["one loader", "two that are kept nowhere"])
def test_two_passes_that_feed_one_step_are_one_epoch(observed, way):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = DataLoader(TRAIN, 12, shuffle=True)

    for _ in range(3):
        pairs = zip(batches, batches) if way == "one loader" else zip(DataLoader(TRAIN, 12), DataLoader(VAL, 4))
        for (x, y), (z, _) in pairs:
            optimizer.zero_grad()
            (F.cross_entropy(model(x), y) + model(z).pow(2).mean()).backward()
            optimizer.step()
    (run,) = finished(observed)
    assert curve(run, "epoch") == {3: 0, 7: 1, 11: 2}


def test_a_batch_that_was_looked_at_before_the_training_makes_no_epoch(observed):
    train_loader, val_loader = DataLoader(TRAIN, 12), DataLoader(VAL, 8)
    shown = iter(val_loader)
    next(shown)
    once = iter(train_loader)
    next(once)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        for x, y in train_loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    (run,) = finished(observed)
    assert run.params["loader.samples"] == 48
    assert curve(run, "epoch") == {3: 0, 7: 1}


@pytest.mark.parametrize("way", ["a break", "islice", "an iterator that is kept"])
def test_an_epoch_that_is_left_ends_at_its_own_last_step(observed, way):
    train_loader, val_loader = DataLoader(TRAIN, 12), DataLoader(VAL, 8)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        batches = iter(train_loader) if way == "an iterator that is kept" else itertools.islice(train_loader, 3 if way == "islice" else 9)
        for number, (x, y) in enumerate(batches):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            if number == 2:
                break
        if way != "an iterator that is kept":
            del batches
        model.eval()
        with torch.no_grad():
            sum(F.cross_entropy(model(x), y).item() for x, y in val_loader)
        model.train()
    (run,) = finished(observed)
    assert curve(run, "epoch") == {2: 0, 5: 1, 8: 2}
    assert all(count > 0 for count in curve(run, "time/samples_per_s").values())


def test_a_loss_without_gradients_in_training_is_not_of_the_loader_that_was_tested_on_before(observed):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for number, (x, y) in enumerate(DataLoader(TRAIN, 12)):
        with torch.no_grad():
            before = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        (F.cross_entropy(model(x), y) + 0 * before).backward()
        optimizer.step()
        if number % 2:
            test_loader = DataLoader(VAL, 16)
            for z, _ in test_loader:
                model(z)
    (run,) = finished(observed)
    assert evaluated(run) == []


def test_short_trainings_after_one_whose_optimizer_lives_are_runs_of_their_own(observed):
    def train(steps):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(steps):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(X), Y)
            loss.backward()
            optimizer.step()
        return optimizer, loss.item()

    kept, first = train(20)
    ends = [train(10)[1] for _ in range(3)]
    runs = finished(observed)
    assert [run.metrics["train/loss"] for run in runs] == [first, *ends]
    assert [run.name for run in runs] == [f"Sequential-{number}" for number in (1, 2, 3, 4)]
    assert kept.state is not None
