import pytest

from autotrack.instrument.calls import ArgumentMissing, Call


def train(params, rounds=10, *, callbacks=None, **more):
    return params


class Model:
    def fit(self, X, y=None, callbacks=()):
        return self


def call(function, *args, **kwargs):
    return Call(function, None, args, kwargs)


def test_an_argument_is_found_by_its_name_however_it_was_given():
    assert [call(train, {}, 5)["rounds"], call(train, {}, rounds=5)["rounds"], call(train, {})["rounds"]] == [5, 5, 10]


def test_of_a_method_the_first_argument_is_the_instance():
    model = Model()
    observed = Call(Model.fit, model, (model, [1]), {})
    assert (observed.instance, observed.method, observed["X"], observed["y"]) == (model, "fit", [1], None)


def test_an_argument_of_no_parameter_is_found_among_the_others():
    assert call(train, {}, seed=3)["seed"] == 3


def test_asking_for_what_is_not_there_says_what_is():
    with pytest.raises(KeyError, match="train has no argument 'epochs'; it has: params, rounds, callbacks"):
        call(train, {})["epochs"]
    assert "epochs" not in call(train, {})


def test_select_takes_those_given_and_not_none():
    assert call(train, {}, callbacks=None, seed=3).select("rounds", "callbacks", "seed", "nothing") == {"seed": 3}


def test_an_item_goes_into_a_copy_of_the_users_list():
    users = ["theirs"]
    observed = call(train, {}, callbacks=users)
    observed.prepend("callbacks", "first")
    observed.append("callbacks", "last")
    assert observed.kwargs["callbacks"] == ["first", "theirs", "last"]
    assert users == ["theirs"]


def test_an_item_goes_where_no_list_was_given():
    observed = call(train, {}, 5)
    observed.append("callbacks", "ours")
    assert (observed.args, observed.kwargs) == (({}, 5), {"callbacks": ["ours"]})


def test_a_tuple_given_by_position_stays_a_tuple_there():
    model = Model()
    observed = Call(Model.fit, model, (model, [1], None, ("theirs",)), {})
    observed.prepend("callbacks", "ours")
    assert observed.args == (model, [1], None, ("ours", "theirs"))


def test_an_argument_can_be_replaced_by_what_does_the_same_and_more():
    by_position, by_name = call(train, {}, 5), call(train, {}, rounds=5)
    for observed in (by_position, by_name):
        observed.replace("rounds", 6)
        assert observed["rounds"] == 6
    assert (by_position.args, by_name.kwargs) == (({}, 6), {"rounds": 6})


def test_an_addition_is_seen_by_later_questions():
    observed = call(train, {})
    observed.append("callbacks", 1)
    assert observed["callbacks"] == [1]


def test_only_lists_are_added_to():
    with pytest.raises(TypeError, match="'callbacks' of train is a set"):
        call(train, {}, callbacks={1}).append("callbacks", 2)


def test_arguments_that_became_keyword_only_may_still_come_by_position():
    observed = call(train, {}, 5, ["theirs"])
    observed.append("callbacks", "ours")
    assert observed.args == ({}, 5, ["theirs", "ours"])


def test_the_users_keyword_arguments_are_not_changed():
    kwargs = {"callbacks": None}
    Call(train, None, ({},), kwargs).append("callbacks", 1)
    assert kwargs == {"callbacks": None}


def test_a_wrong_call_does_not_fail_here():
    assert call(train)["rounds"] == 10
    with pytest.raises(ArgumentMissing):  # a hook that asks for it ends there, without a word
        call(train)["params"]


def test_extra_positional_arguments_are_a_tuple():
    def add(first, *others, sign=1):
        return first

    assert call(add, 1, 2, 3, sign=-1)["others"] == (2, 3)


def test_an_argument_that_a_signature_may_not_have_is_none():
    assert call(train, {}, 5).get("rounds") == 5
    assert call(train, {}).get("trial") is None
