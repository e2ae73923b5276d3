"""A fit that no call stands around: when and where it began, who ends it, and that it can go on."""

import contextvars
import sys
import threading

import pytest

from autotrack.instrument import Integration, current_fit
from autotrack.recording import endings, runs
from autotrack.recording.tracker import tracker


@pytest.fixture
def loops():
    return Integration("toyloops", requires="toyloops")


def test_it_can_have_begun_earlier_and_elsewhere(tracked, loops):
    fit = loops.begin("Net", started=1000.0, site="train.py:7:main")
    fit.log({"loss": 0.5}, step=3, at=1001.0)
    fit.end(ended=1002.5)
    run = tracked.run()
    assert (run.started, run.duration_s, run.call_site, run.metrics["time/fit_s"]) == (1000.0, 2.5, "train.py:7:main", 2.5)
    assert run.history("loss").times.tolist() == [1001.0]


def test_a_curve_is_a_way_in_for_one_number(tracked, loops):
    fit = loops.begin("Net")
    say = fit.curve("loss")
    for step in range(3):
        say(step / 2, step)
    fit.end()
    series = tracked.run().history("loss")
    assert (series.steps.tolist(), series.values.tolist()) == ([0, 1, 2], [0.0, 0.5, 1.0])


def test_it_can_say_how_it_ended(tracked, loops):
    loops.begin("Net").end("failed", ValueError("theirs"))
    assert (tracked.run().status, tracked.run().error) == ("failed", "ValueError: theirs")


def test_it_is_asked_for_its_last_words_once_when_others_end_its_run(tracked, loops):
    fit = loops.begin("Net", started=1000.0)

    def last_words():
        fit.summary(steps=7)
        return 1005.0

    fit.at_end(last_words)
    fit.own_run.end("interrupted", "KeyboardInterrupt")
    fit.end()
    run = tracked.run()
    assert (run.status, run.duration_s, run.metrics["steps"]) == ("interrupted", 5.0, 7)


def test_last_words_do_not_say_when_the_users_run_ended(tracked, loops):
    with runs.start_run("theirs"):
        loops.begin("Net").at_end(lambda: 5.0)
    assert tracked.run().duration_s > -1


def test_it_goes_on_after_its_end(tracked, loops):
    fit = loops.begin("Net")
    fit.end("failed", "too early")
    fit.resume()
    assert tracked.run().status == "running"
    fit.log({"loss": 1.0}, step=0)
    fit.end()
    assert (tracked.run().status, tracked.run().error) == ("finished", None)


def test_what_the_user_logs_meanwhile_outside_of_runs_is_its_own(tracked, loops):
    fit = loops.begin("Net")
    runs.log({"accuracy": 0.5})
    fit.end()
    assert tracked.run().metrics["accuracy"] == 0.5


def test_it_knows_whether_the_user_opened_a_run_around_it(tracked, loops):
    fit = loops.begin("Net")
    assert fit.is_here
    with runs.start_run():
        assert not fit.is_here
    fit.end()


def test_it_dies_with_its_thread(tracked, loops, monkeypatch):
    told = []
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_value))

    def train(error):
        loops.begin("Net")
        raise error

    errors = [ValueError("theirs"), KeyboardInterrupt(), SystemExit(3)]
    for error in errors:
        thread = threading.Thread(target=train, args=(error,))
        thread.start()
        thread.join()
    assert told == errors
    assert [run.status for run in tracked.runs()] == ["failed", "interrupted", "failed"]
    assert threading.excepthook.__name__ == "<lambda>"


def test_exits_are_watched_while_one_lives(tracked, loops):
    plain = sys.exit
    fit = loops.begin("Net")
    with pytest.raises(SystemExit):
        sys.exit(3)
    assert endings.outcome_of_process() == ("failed", "SystemExit: 3")
    fit.end()
    assert sys.exit is plain
    assert tracker().alone == {}


def test_what_is_held_back_is_told_before_the_process_ends(tracked, loops, monkeypatch):
    monkeypatch.setattr(endings._exit, "calls", [])
    monkeypatch.setattr(endings._exit, "trackers", [])  # of this test alone
    fit = loops.begin("Net")
    endings.before_exit(lambda: fit.summary(held=1))
    endings.before_exit(lambda: loops.begin("Later"))
    monkeypatch.setattr(endings._exit, "code", None)
    endings.at_exit()
    assert [(run.status, run.metrics.get("held")) for run in tracked.runs()] == [("finished", 1), ("finished", None)]


def test_one_that_is_current_owns_what_is_fitted_until_its_end(tracked, loops):
    other = Integration("toyothers", requires="toyothers")
    fit = loops.begin_current("Net", experiment="toys/a")
    assert (current_fit(), runs.current_run()) == (fit, fit.run)
    assert other.begin("Stranger").is_silent
    fit.end()
    assert (current_fit(), runs.current_run()) == (None, None)
    assert (tracked.run().status, tracked.run().experiment) == ("finished", "toys/a")


def test_one_that_is_current_is_so_in_the_next_cell_of_a_notebook(tracked, loops):
    fits = []
    contextvars.copy_context().run(lambda: fits.append(loops.begin_current("Net")))
    assert runs.current_run() is fits[0].run
    fits[0].end()
    assert runs.current_run() is None


def test_one_that_nobody_ended_makes_way_for_the_next(tracked, loops):
    first = loops.begin_current("Net")
    second = loops.begin_current("Net")
    assert second.run is not first.run
    assert runs.current_run() is second.run
    first.end()
    assert (current_fit(), runs.current_run()) == (second, second.run)
    second.end()
    assert (current_fit(), runs.current_run()) == (None, None)
    assert [(run.status, run.parent_id) for run in tracked.runs()] == [("finished", None)] * 2


def test_two_of_different_frameworks_may_end_in_any_order(tracked, loops):
    other = Integration("toyothers", requires="toyothers")
    outer, inner = loops.begin_current("Net"), other.begin_current("Other")
    outer.end()
    assert current_fit() is inner
    inner.end()
    assert current_fit() is None
    assert len(tracked.runs()) == 1  # a stranger inside is silent


def test_one_that_is_current_joins_the_users_run_and_leaves_it_open(tracked, loops):
    with runs.start_run("theirs") as theirs:
        fit = loops.begin_current("Net")
        fit.log({"loss": 1.0}, step=0)
        fit.end()
        assert runs.current_run() is theirs
    assert (tracked.run().name, tracked.run().metrics["loss"]) == ("theirs", 1.0)
