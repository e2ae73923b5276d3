import logging
import os
import signal

import pytest

from autotrack import guard as ground
from autotrack.errors import AutotrackError
from autotrack.guard import guard, guarded


@pytest.fixture(autouse=True)
def lenient(monkeypatch):
    monkeypatch.delenv("AUTOTRACK_STRICT", raising=False)
    monkeypatch.setattr(ground, "failures", {})


def test_a_guarded_block_swallows_our_error_and_says_so(caplog):
    with guard("reading the model's size"):
        raise ValueError("no size")
    (said,) = caplog.records
    assert said.getMessage() == (
        "autotrack failed while reading the model's size; your program goes on, this is not recorded (ValueError: no size)"
    )
    assert said.exc_info[0] is ValueError
    assert said.name == "autotrack"


def test_each_place_warns_once_and_counts_on(caplog):
    for place in ("here", "here", "there"):
        with guard(place):
            raise ValueError
    assert [record.getMessage().split(";")[0] for record in caplog.records] == ["autotrack failed while here", "autotrack failed while there"]
    assert ground.failures == {"here": 2, "there": 1}


def test_an_error_that_we_raise_on_purpose_is_told_in_its_own_words_once_for_all_places(caplog):
    for place in ("here", "there"):
        with guard(place):
            raise AutotrackError("there is no room")
    (said,) = caplog.records
    assert said.getMessage() == "autotrack failed while here; your program goes on, this is not recorded: there is no room"
    assert said.exc_info is None
    assert ground.failures == {"here": 1, "there": 1, "there is no room": 2}


@pytest.mark.parametrize("passes", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_error_of_ours_passes(passes):
    with pytest.raises(passes), guard("anything"):
        raise passes
    with pytest.raises(passes):
        guarded(lambda: (_ for _ in ()).throw(passes))()


def test_a_guarded_method_answers_none_where_it_failed(caplog):
    class Curves:
        @guarded
        def after_round(self, number):
            """After."""
            return 10 / number

    assert Curves().after_round(5) == 2
    assert Curves().after_round(0) is None
    assert "Curves.after_round; your program goes on" in caplog.records[0].getMessage()
    assert (Curves.after_round.__name__, Curves.after_round.__doc__) == ("after_round", "After.")
    assert Curves.after_round.__autotrack_guarded__


def test_strict_lets_our_errors_rise(monkeypatch):
    monkeypatch.setenv("AUTOTRACK_STRICT", "1")
    with pytest.raises(ValueError), guard("anything"):
        raise ValueError
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 / 0)()


def test_strict_can_be_switched_off_with_zero(monkeypatch):
    monkeypatch.setenv("AUTOTRACK_STRICT", "0")
    with guard("anything"):
        raise ValueError


def test_an_error_that_is_on_its_way_is_left_alone():
    theirs = KeyError("theirs")
    with pytest.raises(KeyError) as caught:
        try:
            raise theirs
        finally:
            with guard("closing"):
                raise ValueError("ours")
    assert caught.value is theirs
    assert theirs.__context__ is None


def test_nothing_is_printed_twice_by_threads(caplog):
    from concurrent.futures import ThreadPoolExecutor

    def fail(_):
        with guard("one place"):
            raise ValueError

    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(8) as pool:
        list(pool.map(fail, range(200)))
    assert len(caplog.records) == 1
    assert ground.failures == {"one place": 200}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_was_forked_while_a_failure_was_counted_can_count_its_own():
    with ground._lock:
        pid = os.fork()
        if not pid:
            signal.alarm(10)
            with guard("in the child"):
                raise ValueError
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
