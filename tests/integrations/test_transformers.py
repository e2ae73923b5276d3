"""Hugging Face Transformers: trainers of all kinds, by themselves and by name. Every model is tiny and random; nothing is downloaded."""

import contextlib
import gc
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import warnings
import weakref

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
transformers = pytest.importorskip("transformers")

from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments  # noqa: E402

from autotrack import imports  # noqa: E402
from autotrack.instrument import loader  # noqa: E402
from autotrack.integrations.transformers import AutotrackCallback  # noqa: E402
from autotrack.recording.runs import start_run  # noqa: E402
from autotrack.testing.integration_contract import IntegrationContract  # noqa: E402

ROWS, LENGTH = 32, 6
WORDS = torch.randint(0, 50, (ROWS, LENGTH), generator=torch.Generator().manual_seed(0))
MASK = torch.ones(LENGTH, dtype=torch.long)
MASK[-2:] = 0  # padding
TEXTS = [{"input_ids": row, "labels": row, "attention_mask": MASK} for row in WORDS]



def tiny_model():
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=50, n_positions=8, bos_token_id=0, eos_token_id=0))


@pytest.fixture(autouse=True)
def _as_in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # theirs are not ours to judge
        yield
    torch.set_num_threads(threads)


def arguments(kind=TrainingArguments, **more):
    told = {"output_dir": "out", "max_steps": 4, "logging_steps": 1, "per_device_train_batch_size": 4, "disable_tqdm": True}
    return kind(**{**told, "use_cpu": True, "save_strategy": "no", "report_to": "none", **more})


def trainer(*, kind=Trainer, callbacks=None, compute_metrics=None, **more):
    made, told = tiny_model(), arguments(**more)
    return kind(made, told, train_dataset=TEXTS, eval_dataset=TEXTS[:8], callbacks=callbacks, compute_metrics=compute_metrics)


def weights(model):
    return [parameter.detach().numpy().tobytes() for parameter in model.parameters()]


def logged(made, key):
    return [entry[key] for entry in made.state.log_history if key in entry]


@pytest.fixture
def observed(tracked):
    loader.autolog("transformers")
    yield tracked
    loader.disable()


class TestContract(IntegrationContract):
    name = "transformers"
    targets = ("transformers.trainer:Trainer.train",)

    def train(self):
        made = trainer(eval_strategy="steps", eval_steps=2)
        made.train()
        return made

    def fingerprint(self, made):
        drawn = torch.get_rng_state().numpy().tobytes()
        timed = ("runtime", "per_second")
        history = [{key: value for key, value in entry.items() if not key.endswith(timed)} for entry in made.state.log_history]
        return weights(made.model), made.optimizer.state_dict()["state"][0]["exp_avg"].numpy().tobytes(), history, drawn

    def curves(self, made):
        return {f"train/{key}": logged(made, key) for key in ("loss", "grad_norm", "learning_rate")} | {"eval/loss": logged(made, "eval_loss")}

    def params(self, made):
        return {"args.max_steps": 4, "args.per_device_train_batch_size": 4, "defaults.learning_rate": 5e-5, "model.n_embd": 8}

    def _told_by_a_process(self, order):
        timed = ("runtime", "per_second")
        runs = super()._told_by_a_process(order)
        return [[status, params, {key: told for key, told in curves.items() if not key.endswith(timed)}] for status, params, curves in runs]

    def test_two_threads_are_two_runs(self, tracked):
        made = [trainer(report_to=["autotrack"]) for _ in range(2)]  # not in the threads: making one resets what accelerate knows
        self.observe()
        threads = [threading.Thread(target=each.train) for each in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [sorted(points(run, "train/loss")) for run in tracked.runs()] == [[1, 2, 3, 4]] * 2

    def test_a_silent_rank_records_nothing(self, tracked, monkeypatch):
        made = trainer()  # before: accelerate would wait for the other process
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", "1")
        self.observe()
        made.train()
        assert tracked.runs() == []


class TestContractByName(TestContract):
    """The same with ``report_to="autotrack"`` beside autolog."""

    test_autolog_before_the_import_is_as_after_it = None  # a process of its own: once is enough
    # these train unobserved first, which is no longer so: the callback itself asks for it
    test_a_dead_store_changes_nothing_and_loses_nothing = None
    test_a_foreign_wrapper_on_top_survives_disable = None
    # where a trainer can be pickled at all, before 5.0, so is the callback that the user named
    test_model_and_method_pickle_copy_and_load_where_autotrack_is_absent = None

    def train(self):
        made = trainer(eval_strategy="steps", eval_steps=2, report_to="autotrack")
        made.train()
        return made


def points(run, key):
    series = run.history(key)
    return dict(zip(series.steps.tolist(), series.values.tolist(), strict=True))


# --- what is recorded ------------------------------------------------------------------------------------------------


def test_everything_that_is_logged_has_its_name_and_its_own_step(observed):
    made = trainer(eval_strategy="steps", eval_steps=2, compute_metrics=lambda _predictions: {"f1": 0.5, "eval_recall": 0.25})
    made.train()
    run = observed.run()
    assert run.status == "finished"
    assert points(run, "train/loss") == dict(zip([1, 2, 3, 4], logged(made, "loss"), strict=True))
    assert points(run, "train/grad_norm") == dict(zip([1, 2, 3, 4], logged(made, "grad_norm"), strict=True))
    assert points(run, "train/learning_rate") == dict(zip([1, 2, 3, 4], logged(made, "learning_rate"), strict=True))
    assert points(run, "train/epoch") == {1: 0.125, 2: 0.25, 3: 0.375, 4: 0.5}
    assert points(run, "eval/loss") == dict(zip([2, 4], logged(made, "eval_loss"), strict=True))
    assert points(run, "eval/f1") == {2: 0.5, 4: 0.5}
    assert points(run, "eval/recall") == {2: 0.25, 4: 0.25}


def test_what_stands_for_the_whole_training_is_summary(observed):
    made = trainer()
    result = made.train()
    run = observed.run()
    for name in ("train_loss", "train_runtime", "train_samples_per_second", "train_steps_per_second"):
        assert run.metrics[name] == result.metrics[name]
    assert run.metrics["total_flos"] == made.state.total_flos > 0  # which PrinterCallback takes out of what is logged
    assert (run.metrics["steps"], run.metrics["epochs"]) == (4, 0.5)
    assert not [key for key in run.statistics if "runtime" in key or "total_flos" in key]


def test_arguments_that_differ_from_their_defaults_stand_apart(observed):
    trainer(learning_rate=1e-3, lr_scheduler_type="cosine", optim="sgd", label_names=["labels"], weight_decay=0.0).train()
    params = observed.run().params
    settled = {"args.local_rank", "args.logging_dir", "args.run_name"}  # by itself, before 5.0
    assert {name: value for name, value in params.items() if name.startswith("args.") and name not in settled} == {
        "args.output_dir": "out",
        "args.max_steps": 4,
        "args.logging_steps": 1,
        "args.per_device_train_batch_size": 4,
        "args.use_cpu": True,
        "args.disable_tqdm": True,
        "args.save_strategy": "no",
        "args.learning_rate": 1e-3,
        "args.lr_scheduler_type": "cosine",
        "args.optim": "sgd",
        "args.label_names": ["labels"],
        "args.dataloader_pin_memory": False,  # which --use_cpu entails
    }
    assert params["defaults.weight_decay"] == 0.0
    assert params["defaults.seed"] == 42
    assert params["defaults.bf16"] is False
    assert params["defaults.accelerator_config.even_batches"] is True
    assert (params["optimizer"], params["lr_scheduler"]) == ("SGD", "LambdaLR")
    assert (params["total_train_batch_size"], params["trainer"]) == (4, "Trainer")


def test_a_token_is_masked_and_a_number_of_tokens_is_not(observed):
    trainer(hub_token="hf_secret").train()
    run = observed.run()
    assert "hf_secret" not in json.dumps(run.params)
    assert run.params["args.hub_token"] == "***"
    assert run.params["defaults.include_num_input_tokens_seen"] in ("no", False)  # the latter before 5.0


def test_the_model_is_described(observed):
    made = trainer()
    made.model.transformer.wte.weight.requires_grad_(False)
    made.train()
    run = observed.run()
    assert run.name == "GPT2LMHeadModel-1"
    assert run.params["model_class"] == "GPT2LMHeadModel"
    assert (run.params["model.n_embd"], run.params["model.vocab_size"], run.params["model.model_type"]) == (8, 50, "gpt2")
    everything = sum(parameter.numel() for parameter in made.model.parameters())
    assert (run.params["n_params"], run.params["n_params_trainable"]) == (everything, everything - 400)


def test_a_name_that_the_user_gave_is_the_runs(observed):
    trainer(run_name="little-gpt").train()
    assert observed.run().name == "little-gpt-1"


def test_a_config_with_2000_labels_is_kept_with_a_mark(observed):
    made = trainer()
    made.model.config.id2label = {number: f"label {number}" for number in range(2000)}
    made.train()
    assert "(2000 entries)" in observed.run().params["model.id2label"]


@pytest.fixture
def second(monkeypatch):
    """The pace's clock: a second passes each time it is asked, as it is at each log."""
    from autotrack.integrations.transformers import pace

    clock = iter(range(10_000))
    monkeypatch.setattr(pace, "perf_counter", lambda: float(next(clock)))


def a_second(run, key):
    return points(run, f"time/{key}_per_s")


def test_tokens_samples_and_flops_are_those_that_the_trainer_counts(observed, second):
    made = trainer(gradient_accumulation_steps=2, logging_steps=2)
    made.train()
    run = observed.run()
    assert points(run, "time/step_s") == {2: 0.5, 4: 0.5}
    assert a_second(run, "samples") == {2: 16, 4: 16}
    assert a_second(run, "tokens") == {2: 16 * LENGTH, 4: 16 * LENGTH}  # with padding, as FLOPs are
    assert sum(a_second(run, "tflops").values()) == pytest.approx(made.state.total_flos / 1e12)
    assert run.inferred == {"time/samples_per_s", "time/tokens_per_s"}


@pytest.mark.parametrize(("asked", "counted"), [(True, LENGTH), ("non_padding", LENGTH - 2)], ids=["all", "without padding"])
def test_tokens_that_the_trainer_was_asked_to_count(observed, second, asked, counted):
    if asked != True and int(transformers.__version__.split(".")[0]) < 5:  # noqa: E712
        pytest.skip("an older one counts them all")
    trainer(include_num_input_tokens_seen=asked).train()
    run = observed.run()
    assert a_second(run, "tokens") == dict.fromkeys(range(1, 5), 4 * counted)
    assert run.inferred == {"time/samples_per_s"}


@pytest.mark.parametrize("drop_last", [False, True])
def test_the_last_batch_of_a_pass_may_be_smaller(observed, second, drop_last):
    drawn = {}

    class Looks(Trainer):
        def training_step(self, model, inputs, *more):
            step = self.state.global_step + 1
            drawn[step] = drawn.get(step, 0) + len(inputs["input_ids"])
            return super().training_step(model, inputs, *more)

    told = arguments(max_steps=-1, num_train_epochs=2, gradient_accumulation_steps=2, dataloader_drop_last=drop_last)
    Looks(tiny_model(), told, train_dataset=TEXTS[:10]).train()  # 4, 4, 2
    run = observed.run()
    assert a_second(run, "samples") == drawn
    assert a_second(run, "tokens") == {step: samples * LENGTH for step, samples in drawn.items()}
    assert drop_last or len(set(drawn.values())) > 1


class CountsOtherwise(Trainer):
    def floating_point_ops(self, inputs):
        return 2 * super().floating_point_ops(inputs)


class Feeds(Trainer):
    """Batches of the user's own making."""

    def get_train_dataloader(self):
        return torch.utils.data.DataLoader(self.train_dataset, batch_sampler=[[0, 1], [2], [3, 4, 5]], collate_fn=self.data_collator)


class Images(torch.nn.Module):
    main_input_name = "pixel_values"

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(3, 1)

    def num_parameters(self, **_):
        return 4

    def forward(self, pixel_values, labels):
        return {"loss": self.head(pixel_values).mean()}


PIXELS = [{"pixel_values": torch.ones(3), "labels": torch.zeros(())}] * 8


@pytest.mark.parametrize(
    ("made", "known"),
    [
        (lambda: CountsOtherwise(tiny_model(), arguments(), train_dataset=TEXTS), {"samples"}),
        (lambda: Feeds(tiny_model(), arguments(), train_dataset=TEXTS), {"tokens"}),
        (lambda: Trainer(Images(), arguments(), train_dataset=PIXELS), {"samples"}),
        (lambda: Trainer(tiny_model(), arguments(), train_dataset=Stream()), {"tokens"}),
    ],
    ids=["FLOPs counted otherwise", "batches made otherwise", "images", "a stream"],
)
def test_what_is_not_known_is_not_guessed(observed, made, known):
    made().train()
    run = observed.run()
    assert {key for key in ("samples", "tokens") if f"time/{key}_per_s" in run.statistics} == known
    assert run.inferred == {f"time/{key}_per_s" for key in known}


class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        return iter(TEXTS)


def test_tokens_of_a_model_that_grows_are_not_guessed(observed, second):
    class Grows(TrainerCallback):
        def on_step_end(self, args, state, control, *, model, **more):
            if state.global_step == 2:
                model.added = torch.nn.Linear(11, 7)

    made = trainer(callbacks=[Grows()])
    made.train()
    run = observed.run()
    assert a_second(run, "tokens") == {1: 4 * LENGTH, 2: 4 * LENGTH}
    assert sorted(a_second(run, "tflops")) == [1, 2, 3, 4]


def test_a_loss_that_the_user_logs_between_takes_no_tokens(observed, second):
    class Says(Trainer):
        def training_step(self, *args, **kwargs):
            if self.state.global_step == 3:
                self.log({"loss": 0.5})
            return super().training_step(*args, **kwargs)

    Says(tiny_model(), arguments(logging_steps=2), train_dataset=TEXTS).train()
    run = observed.run()
    assert points(run, "time/step_s") == {2: 0.5, 3: 1, 4: 1}
    assert a_second(run, "samples") == {2: 8, 3: 4, 4: 4}
    assert a_second(run, "tokens") == {2: 8 * LENGTH, 4: 4 * LENGTH}  # which took two seconds: the trainer had not summed up at 3


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("rows", [5, 12, 13, 17])
def test_samples_of_all_processes_are_as_their_loaders_give_them(rows, processes, drop_last, even):
    from accelerate.data_loader import BatchSamplerShard
    from torch.utils.data import BatchSampler, DataLoader

    from autotrack.integrations.transformers.pace import feed_of

    def loader(process):
        batches = BatchSampler(range(rows), 2, drop_last)
        sampler = batches if processes == 1 else BatchSamplerShard(batches, processes, process, even_batches=even)
        return DataLoader(range(rows), batch_sampler=sampler)

    feed = feed_of(loader(0), 2, processes)
    if feed is None:
        assert (processes, drop_last, even) == (3, False, False) or not len(loader(0))
        return
    given = [[len(batch) for batch in loader(process)] * 2 for process in range(processes)]  # two passes
    so_far = [sum(sum(each[:count]) for each in given) for count in range(len(given[0]) + 1)]
    assert [feed.until(count) for count in range(len(so_far))] == so_far
    assert feed_of(loader(0), 3, processes) is None  # batches of another size than the trainer's
    assert processes > 1 or feed_of(loader(0), 2, 3) is None  # not shared out among the processes


def test_a_count_of_tokens_is_exact_after_a_hundred_billion():
    from types import SimpleNamespace

    from autotrack.integrations.transformers.pace import Pace

    class Model:
        def num_parameters(self, **_):
            return 6_738_415_616

    a_batch = 2_048 * 37
    args = SimpleNamespace(gradient_accumulation_steps=1, world_size=1)
    state = SimpleNamespace(global_step=0, epoch=0.0, num_input_tokens_seen=0, total_flos=6.0 * Model().num_parameters() * 1e11)
    pace = Pace(args, state, Model(), None, batch_size=1, counts_flos=True)
    for _ in range(50):
        state.total_flos += float(6 * a_batch * Model().num_parameters())
    state.global_step = 50
    told = pace.told(state)
    assert told["time/tokens_per_s"] / told["time/step_s"] ** -1 == pytest.approx(a_batch, rel=1e-12)


def test_the_pace_leaves_out_what_evaluating_took(observed):
    import time

    class Slow(TrainerCallback):
        def on_prediction_step(self, args, state, control, **more):
            time.sleep(0.2)

    trainer(eval_strategy="steps", eval_steps=1, callbacks=[Slow()]).train()
    assert max(points(observed.run(), "time/step_s").values()) < 0.15


def test_data_sets_are_known_by_their_fingerprint(observed):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"input_ids": WORDS.tolist(), "labels": WORDS.tolist()})
    Trainer(tiny_model(), arguments(), train_dataset=rows, eval_dataset={"short": rows.select(range(8)), "list": TEXTS}).train()
    told = observed.run().environment["datasets"]
    assert told["train"] == {"type": "Dataset", "rows": 32, "columns": ["input_ids", "labels"], "hash": rows._fingerprint, "hash_mode": "framework"}
    assert told["eval/short"]["rows"] == 8
    assert told["eval/list"] == {"type": "list", "rows": 32}


def test_several_sets_to_evaluate_have_their_names(observed):
    made = Trainer(tiny_model(), arguments(eval_strategy="steps", eval_steps=4), train_dataset=TEXTS, eval_dataset={"a": TEXTS[:4], "b": TEXTS[4:8]})
    made.train()
    run = observed.run()
    assert points(run, "eval/a_loss") == {4: logged(made, "eval_a_loss")[0]}
    assert points(run, "eval/b_loss") == {4: logged(made, "eval_b_loss")[0]}


def test_what_the_user_logs_himself_is_recorded(observed):
    class Mine(Trainer):
        def compute_loss(self, *args, **kwargs):
            if self.state.global_step == 2:
                self.log({"temperature": torch.tensor(0.5), "train/mine": 3, "note": "half way", "table": [1, 2]})
            return super().compute_loss(*args, **kwargs)

    trainer(kind=Mine).train()
    run = observed.run()
    assert points(run, "train/temperature") == {2: 0.5}
    assert points(run, "train/mine") == {2: 3.0}
    assert run.metrics["train/note"] == "half way"


def test_a_loss_that_is_no_number_stays_one(observed):
    class Broken(Trainer):
        def compute_loss(self, *args, **kwargs):
            return super().compute_loss(*args, **kwargs) * float("nan")

    trainer(kind=Broken, logging_nan_inf_filter=False).train()
    assert str(points(observed.run(), "train/loss")[1]) == "nan"


def test_groups_with_learning_rates_of_their_own_have_curves_of_their_own(observed):
    model = tiny_model()
    first, *rest = model.parameters()
    optimizer = torch.optim.SGD([{"params": [first], "lr": 0.1}, {"params": rest, "lr": 0.2}])
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    Trainer(model, arguments(), train_dataset=TEXTS, optimizers=(optimizer, schedule)).train()
    run = observed.run()
    assert set(points(run, "train/learning_rate/0").values()) == {0.1}
    assert set(points(run, "train/learning_rate/1").values()) == {0.2}


class Counting(Trainer):
    """Adds to all that is logged, as TRL's trainers do."""

    def log(self, logs, *more):
        super().log({**logs, "entropy": self.state.global_step / 8}, *more)


def test_what_a_trainer_adds_to_its_last_log_is_a_point_like_those_before(observed):
    made = trainer(kind=Counting, skip_memory_metrics=False)
    result = made.train()
    run = observed.run()
    assert points(run, "train/entropy") == {1: 0.125, 2: 0.25, 3: 0.375, 4: 0.5}
    assert "entropy" not in run.metrics
    for name in ("train_loss", "train_mem_cpu_alloc_delta", "init_mem_cpu_alloc_delta", "before_init_mem_cpu"):
        assert run.metrics[name] == result.metrics[name]
        assert name not in run.statistics


def test_what_is_logged_after_the_training_belongs_to_it(observed):
    made = trainer(logging_steps=3)
    made.train()
    made.log({"loss": 0.25, "eval_f1": 0.5, "note": "done"})
    run = observed.run()
    assert points(run, "train/loss")[4] == 0.25
    assert points(run, "eval/f1") == {4: 0.5}
    assert run.metrics["train/note"] == "done"
    assert sorted(points(run, "time/step_s")) == [3]  # who knows what there was since


def test_what_is_logged_in_a_run_that_the_user_opened_since_belongs_to_that(observed):
    made = trainer()
    made.log({"before": 1.0})
    made.train()
    with start_run("final"):
        made.log({"f1": 0.5})
    training, final = observed.runs()
    assert (final.name, points(final, "train/f1")) == ("final", {4: 0.5})
    assert {"train/before", "train/f1"}.isdisjoint(training.statistics)


def test_an_optimizer_is_not_kept_when_it_has_trained(observed):
    made = trainer()
    made.train()
    optimizer = weakref.ref(made.optimizer.optimizer)
    made.optimizer = made.lr_scheduler = made.accelerator._optimizers = made.accelerator._schedulers = None
    made.callback_handler.optimizer = made.callback_handler.lr_scheduler = None
    gc.collect()
    assert optimizer() is None


# --- who speaks ------------------------------------------------------------------------------------------------------


class FailsAtItsThirdStep(TrainerCallback):
    def __init__(self):
        self.asked = []

    def on_step_end(self, args, state, control, **kwargs):
        self.asked.append(imports._finder in sys.meta_path)
        if state.global_step == 3:
            raise ValueError("theirs")


def test_while_it_trains_no_finder_of_ours_is_asked_for_modules(observed):
    imports.when_imported("a_module_that_nobody_has", print)
    failing = FailsAtItsThirdStep()
    with pytest.raises(ValueError, match="theirs"):
        trainer(callbacks=[failing]).train()
    assert failing.asked == [False] * 3
    assert imports._finder in sys.meta_path
    imports.forget("a_module_that_nobody_has", print)


def test_two_trainings_of_one_trainer_are_two_runs(observed):
    made = trainer()
    made.train()
    made.train()
    assert [sorted(points(run, "train/loss")) for run in observed.runs()] == [[1, 2, 3, 4]] * 2


def test_inside_an_open_run_it_joins_and_the_next_is_a_child(observed):
    with start_run("theirs"):
        trainer().train()
        trainer().train()
    outer, inner = observed.runs()
    assert (outer.name, sorted(points(outer, "train/loss"))) == ("theirs", [1, 2, 3, 4])
    assert (inner.parent_id, sorted(points(inner, "train/loss"))) == (outer.id, [1, 2, 3, 4])


def test_evaluating_and_predicting_afterwards_belong_to_the_training(observed):
    made = trainer(compute_metrics=lambda _predictions: {"f1": 0.5})
    made.train()
    made.evaluate()
    made.predict(TEXTS[:8])
    made.predict(TEXTS[:8], metric_key_prefix="held_out")
    made.evaluate(TEXTS[8:16], metric_key_prefix="final")
    run = observed.run()
    for part in ("eval", "test", "held_out", "final"):
        assert points(run, f"{part}/f1") == {4: 0.5}, part
        assert list(points(run, f"{part}/loss")) == [4], part
    assert "train/f1" not in run.statistics


def test_an_evaluation_in_a_run_that_the_user_opened_for_it_belongs_to_that(observed):
    made = trainer()
    made.train()
    with start_run("final"):
        made.evaluate()
    training, final = observed.runs()
    assert "eval/loss" not in training.statistics
    assert (final.name, list(points(final, "eval/loss"))) == ("final", [4])


@pytest.mark.parametrize(("method", "part"), [("evaluate", "eval"), ("predict", "test")])
def test_alone_they_are_a_run_of_their_own(observed, method, part):
    getattr(trainer(), method)(TEXTS[:8])
    run = observed.run()
    assert (run.name, run.status) == (f"GPT2LMHeadModel.{method}-1", "finished")
    assert list(points(run, f"{part}/loss")) == [0]
    assert run.params["args.max_steps"] == 4


def test_a_trainer_that_was_made_before_autolog_is_observed(tracked):
    made = trainer()
    loader.autolog("transformers")
    made.train()
    assert sorted(points(tracked.run(), "train/loss")) == [1, 2, 3, 4]


def test_the_trainers_callbacks_are_as_they_were(observed):
    theirs = [TrainerCallback()]

    class Looks(TrainerCallback):
        def on_step_end(self, args, state, control, **more):
            assert made.callback_handler.callbacks == before

    made = trainer(callbacks=[*theirs, Looks()])
    held = made.callback_handler.callbacks
    before = list(held)
    made.train()
    made.evaluate()
    assert made.callback_handler.callbacks is held
    assert held == before
    assert len(theirs) == 1


def test_a_failed_training_is_failed_with_its_traceback_and_keeps_its_points(observed):
    class Fails(TrainerCallback):
        def on_step_end(self, args, state, control, **more):
            if state.global_step == 3:
                raise ValueError("the user's own")

    with pytest.raises(ValueError, match="the user's own"):
        trainer(callbacks=[Fails()]).train()
    run = observed.run()
    assert (run.status, run.error) == ("failed", "ValueError: the user's own")
    assert sorted(points(run, "train/loss")) == [1, 2]
    assert "on_step_end" in run.traceback


def test_one_that_fails_before_its_first_step_has_its_arguments(observed):
    with pytest.raises(ValueError, match="requires a train_dataset"):
        Trainer(tiny_model(), arguments()).train()
    run = observed.run()
    assert run.status == "failed"
    assert run.params["args.max_steps"] == 4


def test_ctrl_c_is_an_interruption(observed):
    class Interrupts(TrainerCallback):
        def on_step_end(self, args, state, control, **more):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer(callbacks=[Interrupts()]).train()
    assert observed.run().status == "interrupted"


def test_a_probe_that_is_fitted_in_compute_metrics_is_silent(tracked):
    linear_model = pytest.importorskip("sklearn.linear_model")

    def probe(_predictions):
        return {"probe": linear_model.LogisticRegression().fit([[0.0], [1.0]], [0, 1]).score([[0.0], [1.0]], [0, 1])}

    loader.autolog("transformers", "sklearn")
    made = trainer(compute_metrics=probe, eval_strategy="steps", eval_steps=2)
    made.train()
    made.evaluate()
    assert points(tracked.run(), "eval/probe") == {2: 1.0, 4: 1.0}


# --- checkpoints -----------------------------------------------------------------------------------------------------


resumes = pytest.mark.skipif(transformers.__version__ < "5", reason="it cannot load the random states that it saved, with this torch")
SAVING = {"save_strategy": "steps", "save_steps": 2, "eval_strategy": "steps", "eval_steps": 2, "metric_for_best_model": "loss"}


def test_checkpoints_are_known_and_the_newest_and_the_best_are_kept(observed, tmp_path):
    def worse_and_worse(_predictions):
        return {"loss": made.state.global_step, "score": 1}

    made = trainer(compute_metrics=worse_and_worse, **SAVING, load_best_model_at_end=True, max_steps=6)
    made.train()
    run = observed.run()
    assert run.metrics["last_checkpoint"] == str(tmp_path / "out" / "checkpoint-6")
    assert (run.metrics["best_step"], run.metrics["best_metric"]) == (2, made.state.best_metric)
    assert run.metrics["best_checkpoint"] == made.state.best_model_checkpoint
    rows = [json.loads(line) for line in run.artifact("checkpoints.jsonl").read_text().splitlines()]
    assert [(row["step"], row["epoch"]) for row in rows] == [(2, 0.25), (4, 0.5), (6, 0.75)]
    kept = {artifact.step: artifact for artifact in run.artifacts if artifact.kind == "checkpoint"}
    assert set(kept) == {2, 6}
    assert kept[2].name == "checkpoints/checkpoint-2/model.safetensors"
    assert kept[6].size == (tmp_path / "out" / "checkpoint-6" / "model.safetensors").stat().st_size


def test_checkpoints_can_be_left_out(observed):
    loader.autolog("transformers", checkpoints=False)
    trainer(**SAVING).train()
    assert [artifact for artifact in observed.run().artifacts if artifact.kind == "checkpoint"] == []


@resumes
def test_a_training_from_a_checkpoint_goes_on_in_the_run_that_wrote_it(observed):
    first = trainer(**SAVING)
    first.train()
    other = trainer(output_dir="elsewhere", **SAVING)
    other.train()
    again = trainer(max_steps=8, **SAVING)
    again.train(resume_from_checkpoint="out/checkpoint-2")
    run, _ = observed.runs()
    assert run.status == "finished"
    assert sorted(set(run.history("train/loss").steps.tolist())) == [1, 2, 3, 4, 5, 6, 7, 8]
    curve = points(run, "train/loss")  # of two points at a step, the last
    assert [curve[step] for step in range(3, 9)] == logged(again, "loss")[2:]
    assert (run.tags["resumed_at_step"], run.params["args.max_steps"]) == ("2", 8)
    assert run.name == "GPT2LMHeadModel-1"


@resumes
def test_the_last_checkpoint_is_found_as_the_trainer_finds_it(observed):
    trainer(**SAVING).train()
    trainer(max_steps=6, **SAVING).train(resume_from_checkpoint=True)
    assert sorted(points(observed.run(), "train/loss")) == [1, 2, 3, 4, 5, 6]


@resumes
def test_a_checkpoint_of_a_training_that_the_store_does_not_know_begins_a_run(tracked):
    trainer(**SAVING).train()
    loader.autolog("transformers")
    trainer(output_dir="other", learning_rate=1e-3, **SAVING).train()
    trainer(max_steps=6, **SAVING).train(resume_from_checkpoint="out/checkpoint-4")
    _, run = tracked.runs()
    assert sorted(points(run, "train/loss")) == [5, 6]
    assert run.tags["resumed_at_step"] == "4"


@resumes
def test_a_checkpoint_that_another_training_wrote_over_is_not_taken_for_the_first_ones(observed):
    trainer(**SAVING).train()
    trainer(learning_rate=1e-3, **SAVING).train()  # into the same folder
    trainer(max_steps=6, learning_rate=1e-3, **SAVING).train(resume_from_checkpoint="out/checkpoint-4")
    first, second = observed.runs()
    assert sorted(points(first, "train/loss")) == [1, 2, 3, 4]
    assert sorted(points(second, "train/loss")) == [1, 2, 3, 4, 5, 6]


@resumes
def test_inside_a_users_run_a_resumed_training_joins_that(observed):
    trainer(**SAVING).train()
    with start_run("theirs"):
        trainer(max_steps=6, **SAVING).train(resume_from_checkpoint=True)
    first, theirs = observed.runs()
    assert sorted(points(first, "train/loss")) == [1, 2, 3, 4]
    assert sorted(points(theirs, "train/loss")) == [5, 6]


def test_a_resume_from_nowhere_fails_in_the_trainers_words(observed, caplog):
    with pytest.raises(ValueError, match="No valid checkpoint found"):
        trainer(output_dir="empty").train(resume_from_checkpoint=True)
    with pytest.raises(Exception, match="missing"):
        trainer().train(resume_from_checkpoint="missing")
    assert [run.status for run in observed.runs()] == ["failed", "failed"]


# --- by name, without autolog ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{"report_to": "autotrack"}, {"callbacks": [AutotrackCallback]}], ids=["report_to", "callback"])
def test_by_name_alone_a_training_is_recorded_whole(tracked, given):
    made = trainer(**given)
    made.train()
    made.evaluate()
    run = tracked.run()
    assert points(run, "train/loss") == dict(zip([1, 2, 3, 4], logged(made, "loss"), strict=True))
    assert (run.status, run.params["args.max_steps"]) == ("finished", 4)
    assert run.metrics["time/tokens_per_s"] > 0


def test_by_name_a_failure_is_told_as_well(tracked):
    class Fails(TrainerCallback):
        def on_step_end(self, args, state, control, **more):
            raise ValueError("the user's own")

    with pytest.raises(ValueError, match="the user's own"):
        trainer(report_to="autotrack", callbacks=[Fails()]).train()
    assert tracked.run().status == "failed"


def test_by_name_another_trainer_is_left_alone(tracked):
    asked = trainer(report_to="autotrack")
    trainer().train()
    assert tracked.runs() == []
    asked.train()
    assert len(tracked.runs()) == 1
    (status,) = [status for status in loader.status() if status.name == "transformers"]
    assert (status.observed, status.reason) == (True, "observed where its callback is used; autolog() was not called for it")


def test_by_name_twice_and_by_autolog_is_once(observed):
    made = trainer(report_to=["autotrack"], callbacks=[AutotrackCallback()])
    made.train()
    assert points(observed.run(), "train/loss") == dict(zip([1, 2, 3, 4], logged(made, "loss"), strict=True))


def test_one_callback_in_two_trainers_speaks_to_each_ones_own_run(tracked):
    callback = AutotrackCallback()
    first, second = trainer(callbacks=[callback]), trainer(callbacks=[callback])
    first.train()
    second.train()
    first.evaluate()
    one, other = tracked.runs()
    assert list(points(one, "eval/loss")) == [4]
    assert "eval/loss" not in other.statistics


def test_all_does_not_break(observed):
    trainer(report_to="all", max_steps=1).train()
    assert len(observed.runs()) == 1


# --- programs --------------------------------------------------------------------------------------------------------

PROGRAM = """
import sys, torch
{line}
from transformers import GPT2Config, GPT2LMHeadModel, HfArgumentParser, Trainer, TrainingArguments
torch.set_num_threads(1)
torch.manual_seed(0)
rows = [{{"input_ids": row, "labels": row}} for row in torch.randint(0, 50, (32, 6))]
model = GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=50, n_positions=8, bos_token_id=0, eos_token_id=0))
parser = HfArgumentParser(TrainingArguments)
(args,) = parser.parse_json_file(sys.argv[1]) if sys.argv[1].endswith(".json") else parser.parse_args_into_dataclasses()
trainer = Trainer(model, args, train_dataset=rows, eval_dataset=rows[:8])
{train}
{after}
"""
OPTIONS = {"output_dir": "out", "max_steps": 4, "logging_steps": 1, "use_cpu": True, "save_strategy": "steps", "save_steps": 2}
ON_THE_COMMAND_LINE = [word for name, value in OPTIONS.items() for word in (f"--{name}", str(value))]


def program(folder, *options, line="import autotrack", train="trainer.train()", after="", python=(sys.executable,), **environment):
    """What a program of the user's prints, and where it does."""
    (folder / "pyproject.toml").write_text("")
    (folder / "train.py").write_text(PROGRAM.format(line=line, train=train, after=after))
    env = {key: value for key, value in os.environ.items() if not key.startswith("AUTOTRACK")} | {"HF_HUB_OFFLINE": "1", **environment}
    return subprocess.run([*python, "train.py", *options], cwd=folder, env=env, capture_output=True, text=True)


def runs_in(folder):
    with contextlib.closing(sqlite3.connect(folder / ".autotrack" / "autotrack.db")) as store:
        return store.execute("select name, status from runs").fetchall()


def test_named_on_the_command_line_or_in_a_file_it_needs_no_autolog(tmp_path):
    (tmp_path / "args.json").write_text(json.dumps({**OPTIONS, "report_to": ["autotrack"]}))
    for given in ([*ON_THE_COMMAND_LINE, "--report_to", "autotrack"], ["args.json"]):
        done = program(tmp_path, *given)
        assert done.returncode == 0, done.stderr
    assert runs_in(tmp_path) == [("GPT2LMHeadModel-1", "finished"), ("GPT2LMHeadModel-2", "finished")]


def test_the_name_is_legal_where_all_is_off(tmp_path):
    done = program(tmp_path, *ON_THE_COMMAND_LINE, "--report_to", "autotrack", AUTOTRACK_DISABLED="1")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / ".autotrack").exists()


def test_what_is_printed_and_written_is_the_same(tmp_path):
    def told(name, line):
        folder = tmp_path / name
        folder.mkdir()
        after = "print(float(sum(p.detach().double().sum() for p in trainer.model.parameters())), torch.initial_seed(), sorted(vars(trainer)))"
        done = program(folder, *ON_THE_COMMAND_LINE, "--report_to", "none", line=line, after=after, PYTHONWARNINGS="default")
        assert done.returncode == 0, done.stderr
        files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if ".autotrack" not in path.parts and path.is_file()}
        same = {name: path.read_bytes() for name, path in files.items() if name.endswith((".safetensors", "config.json", "scheduler.pt"))}
        pace = re.compile(r"[\d.]+ ?(it/s|s/it)|\d\d:\d\d|'train_(runtime|samples_per_second|steps_per_second)': [^,}]*")
        lines = {line.strip() for line in re.split(r"[\r\n]", pace.sub("", done.stderr))}
        bars = {line for line in lines if "%|" in line and "100%" not in line}  # which of its steps a bar shows is a matter of time
        return pace.sub("", done.stdout), lines - bars, sorted(files), same

    plain = told("plain", "")
    assert told("observed", "import autotrack; autotrack.autolog()") == plain


@resumes
def test_a_training_that_was_killed_goes_on_in_its_run(tmp_path):
    options = [*ON_THE_COMMAND_LINE, "--report_to", "autotrack"]
    dies = "import os, autotrack; from transformers import TrainerCallback; "
    dies += "TrainerCallback.on_optimizer_step = lambda self, args, state, control, **_: None if state.global_step < 3 else os._exit(9)"
    assert program(tmp_path, *options, line=dies).returncode == 9
    goes_on = program(tmp_path, *options, line="import autotrack", train="trainer.train(resume_from_checkpoint=True)")
    assert goes_on.returncode == 0, goes_on.stderr
    assert runs_in(tmp_path) == [("GPT2LMHeadModel-1", "finished")]


def test_two_processes_are_one_run(tmp_path):
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29517")
    done = program(tmp_path, *ON_THE_COMMAND_LINE, "--ddp_backend", "gloo", line="import autotrack; autotrack.autolog()", python=torchrun)
    assert done.returncode == 0, done.stderr
    assert runs_in(tmp_path) == [("GPT2LMHeadModel-1", "finished")]


# --- searches, and those who build on Trainer ------------------------------------------------------------------------


def search(made, n_trials=2, rates=(1e-4, 1e-3)):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.GridSampler({"learning_rate": list(rates)})
    return made.hyperparameter_search(
        hp_space=lambda trial: {"learning_rate": trial.suggest_float("learning_rate", 1e-5, 1e-2)},
        n_trials=n_trials,
        backend="optuna",
        sampler=sampler,
    )


def searching(**more):
    told = arguments(max_steps=2, **more)
    return Trainer(None, told, train_dataset=TEXTS, eval_dataset=TEXTS[:8], model_init=lambda: tiny_model())


@pytest.mark.parametrize("evaluated", ["while it trains", "afterwards"])
def test_a_search_is_a_run_with_a_child_for_each_trial(observed, evaluated):
    more = {"eval_strategy": "steps", "eval_steps": 1} if evaluated == "while it trains" else {}
    best = search(searching(**more))
    parent, *trials = observed.runs()
    assert parent.name == "GPT2LMHeadModel.hyperparameter_search-1"
    assert {trial.parent_id for trial in trials} == {parent.id}
    assert sorted(trial.params["trial.learning_rate"] for trial in trials) == [1e-4, 1e-3]
    assert [trial.params["args.learning_rate"] for trial in trials] == [trial.params["trial.learning_rate"] for trial in trials]
    for trial in trials:
        assert sorted(points(trial, "train/loss")) == [1, 2]
        assert 2 in points(trial, "eval/loss")
    assert (parent.metrics["best_objective"], parent.metrics["best_trial"]) == (best.objective, best.run_id)
    assert parent.metrics["best/learning_rate"] == best.hyperparameters["learning_rate"]
    if evaluated == "while it trains":
        assert best.objective in [trial.metrics["objective"] for trial in trials]
    assert [key for key in parent.statistics if not key.startswith("system/")] == []


def test_a_trial_that_was_cut_short_is_said_to_be_pruned(observed):
    optuna = pytest.importorskip("optuna")

    class Prunes(TrainerCallback):
        def on_step_end(self, args, state, control, **more):
            if args.learning_rate > 5e-4:
                raise optuna.TrialPruned

    made = searching(eval_strategy="steps", eval_steps=1)
    made.add_callback(Prunes())
    search(made)
    trials = observed.runs()[1:]
    assert {trial.params["trial.learning_rate"]: (trial.status, trial.tags.get("pruned")) for trial in trials} == {
        1e-4: ("finished", None),
        1e-3: ("finished", "true"),
    }


def test_an_adapter_is_described(observed):
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(tiny_model(), peft.LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True))
    Trainer(model, arguments(save_strategy="steps", save_steps=4), train_dataset=TEXTS).train()
    run = observed.run()
    assert run.params["model_class"] == "GPT2LMHeadModel"
    assert (run.params["peft.default.r"], run.params["peft.default.peft_type"]) == (2, "LORA")
    assert run.params["n_params_trainable"] < run.params["n_params"] / 10
    (kept,) = [artifact for artifact in run.artifacts if artifact.kind == "checkpoint"]
    assert kept.name == "checkpoints/checkpoint-4/adapter_model.safetensors"


def test_a_seq2seq_trainer_and_its_generated_metrics(observed):
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments, T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    config = T5Config(vocab_size=50, d_model=8, d_ff=8, d_kv=4, num_layers=1, num_heads=2, decoder_start_token_id=0)
    told = arguments(Seq2SeqTrainingArguments, max_steps=2, predict_with_generate=True)
    made = Seq2SeqTrainer(
        T5ForConditionalGeneration(config), told, train_dataset=TEXTS, eval_dataset=TEXTS[:8], compute_metrics=lambda _predictions: {"bleu": 0.5}
    )
    made.train()
    made.evaluate(max_length=4)
    run = observed.run()
    assert points(run, "eval/bleu") == {2: 0.5}
    assert run.params["args.predict_with_generate"] is True


def word_tokenizer():
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {word: number for number, word in enumerate(["<pad>", "<eos>", "<unk>", *(f"w{number}" for number in range(40))])}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", model_max_length=16
    )


def sentences(*columns):
    datasets = pytest.importorskip("datasets")
    texts = [" ".join(f"w{(row * word) % 40}" for word in range(5)) for row in range(16)]
    return datasets.Dataset.from_dict(dict.fromkeys(columns, texts))


def test_trl(observed):
    trl = pytest.importorskip("trl", minversion="0.20")  # older ones name the argument otherwise, and log less
    told = arguments(trl.SFTConfig, max_steps=2, bf16=False, max_length=8)
    made = trl.SFTTrainer(tiny_model(), told, train_dataset=sentences("text"), eval_dataset=sentences("text"), processing_class=word_tokenizer())
    made.train()
    made.evaluate()
    run = observed.run()
    assert sorted(points(run, "train/mean_token_accuracy")) == [1, 2]
    assert list(points(run, "eval/mean_token_accuracy")) == [2]
    assert (run.params["trainer"], run.params["args.max_length"]) == ("SFTTrainer", 8)
    assert run.metrics["time/tokens_per_s"] > 0


def test_sentence_transformers(observed, tmp_path):
    st = pytest.importorskip("sentence_transformers")
    from sentence_transformers import losses, models
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=50, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)).save_pretrained("bert")
    word_tokenizer().save_pretrained("bert")
    model = st.SentenceTransformer(modules=[models.Transformer("bert"), models.Pooling(8)], device="cpu")
    told = arguments(st.SentenceTransformerTrainingArguments, max_steps=2)
    st.SentenceTransformerTrainer(
        model, told, train_dataset=sentences("anchor", "positive"), loss=losses.MultipleNegativesRankingLoss(model)
    ).train()
    run = observed.run()
    assert sorted(points(run, "train/loss")) == [1, 2]
    assert run.params["model_class"] == "SentenceTransformer"
    assert run.metrics["time/samples_per_s"] > 0


class Rewritten(Trainer):
    """With a signature of its own, as subclasses have."""

    def train(self, *given, **named):
        return super().train(*given, **named)

    def training_step(self, model, inputs, num_items_in_batch=None):
        return super().training_step(model, inputs, num_items_in_batch)


def test_a_subclass_that_overrides_is_one_run(observed):
    trainer(kind=Rewritten).train()
    assert sorted(points(observed.run(), "train/loss")) == [1, 2, 3, 4]


class Looping(Trainer):
    """Trains in a loop of its own, and only logs, as TRL's older trainers did."""

    def train(self):
        for step in range(3):
            self.state.global_step = step
            self.log({"reward": step / 2})


def test_a_trainer_with_a_loop_of_its_own_has_what_it_logs(observed):
    trainer(kind=Looping).train()
    run = observed.run()
    assert points(run, "train/reward") == {0: 0.0, 1: 0.5, 2: 1.0}
    assert run.params["args.max_steps"] == 4


def test_a_batch_that_does_not_fit_is_tried_again_smaller(observed):
    class TooLarge(Trainer):
        def training_step(self, model, inputs, *more):
            if len(inputs["input_ids"]) > 4:
                raise RuntimeError("CUDA out of memory.")
            return super().training_step(model, inputs, *more)

    trainer(kind=TooLarge, auto_find_batch_size=True, per_device_train_batch_size=16).train()
    run = observed.run()
    assert sorted(points(run, "train/loss")) == [1, 2, 3, 4]
    assert run.metrics["auto_find_batch_size/attempts"] > 1
    assert run.metrics["auto_find_batch_size/train_batch_size"] <= 4


# --- beside the plain loop -------------------------------------------------------------------------------------------


def test_a_trainers_loop_is_not_a_plain_loop_as_well(tracked):
    loader.autolog("torch", "transformers", "accelerate", "sklearn")
    made = trainer(**SAVING)
    made.train()
    made.evaluate()
    run = tracked.run()
    assert [each.name for each in tracked.runs()] == ["GPT2LMHeadModel-1"]
    assert list(points(run, "train/loss").values()) == logged(made, "loss")
