import argparse
import dataclasses
import datetime
import decimal
import enum
import functools
import json
import math
import pathlib
import subprocess
import sys
import types
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotrack import values
from autotrack.values import flatten_params, frozen_number, is_secret, param, plain, summary_values

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
KEYS = st.text(max_size=5) | st.integers()
LEAVES = SCALARS | st.binary() | st.sampled_from([object(), len, int, np.float32(1), np.zeros(3), print])


def test_scalars_stay_what_they_are():
    said = {"a": 1, "b": 2.5, "c": True, "d": None, "e": "text", "f": 2**200, "g": -0.0}
    assert flatten_params(said) == said
    assert type(flatten_params({"c": True})["c"]) is bool


def test_nan_and_infinities_are_fine():
    kept = flatten_params({"a": math.nan, "b": -math.inf})
    assert math.isnan(kept["a"])
    assert kept["b"] == -math.inf


def test_nested_ones_are_flattened_with_a_dot():
    assert flatten_params({"opt": {"lr": 0.1, "betas": (0.9, 0.99), "deep": {"x": 1}}, 3: {}}) == {
        "opt.lr": 0.1, "opt.betas": [0.9, 0.99], "opt.deep.x": 1, "3": {},
    }  # fmt: skip


class Colour(enum.Enum):
    RED = 1
    BLUE = "blue"
    ODD = (1, 2)


@dataclasses.dataclass
class Config:
    lr: float = 0.1
    layers: list[int] = dataclasses.field(default_factory=lambda: [1, 2])
    inner: "Config | None" = None


def function():
    pass


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (function, f"{__name__}.function"),
        (len, "len"),
        (np.mean, "numpy.mean"),
        (Config, f"{__name__}.Config"),
        (functools.partial(function, 1), f"functools.partial({__name__}.function)"),
        (np.zeros((3, 4)), "<ndarray (3, 4) float64>"),
        (np.array([7]), 7),
        (np.array(2.5), 2.5),
        (np.array([], dtype="int8"), "<ndarray (0,) int8>"),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (Colour.RED, 1),
        (Colour.BLUE, "blue"),
        (Colour.ODD, "ODD"),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),
        (datetime.timedelta(minutes=2), 120.0),
        (decimal.Decimal("0.5"), 0.5),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        (b"abc", "<bytes of 3 bytes>"),
        (1 + 2j, "(1+2j)"),
        (range(3), "range(0, 3)"),
        ([1, [2, {"a": None}]], [1, [2, {"a": None}]]),
        (iter([1]), "list_iterator"),
        (10**5000, f"<int of {(10**5000).bit_length()} bits>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_is_described(value, kept):
    told = param("x", value)
    assert told == kept
    assert type(told) is type(kept)


def test_an_estimator_is_its_class():
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import KFold

    assert param("estimator", Ridge(alpha=3)) == "Ridge"
    assert param("cv", KFold(3)) == "KFold(n_splits=3, random_state=None, shuffle=False)"
    assert param("random_state", np.random.RandomState(0)) == "RandomState(MT19937)"


def test_a_data_frame_is_its_shape():
    import pandas as pd

    assert param("frame", pd.DataFrame({"a": [1, 2]})) == "<DataFrame (2, 1)>"
    assert param("column", pd.Series([1.0, 2.0])) == "<Series (2,) float64>"


def test_dataclasses_namespaces_and_named_tuples_have_names():
    assert flatten_params(Config(inner=Config(lr=1.0))) == {"lr": 0.1, "layers": [1, 2], "inner.lr": 1.0, "inner.layers": [1, 2], "inner.inner": None}
    assert flatten_params(argparse.Namespace(lr=0.1, opt=types.SimpleNamespace(beta=1))) == {"lr": 0.1, "opt.beta": 1}
    assert flatten_params({"p": Point(1, 2)}) == {"p.x": 1, "p.y": 2}


def test_what_has_no_names_is_refused():
    with pytest.raises(TypeError, match="parameters are a mapping from names to values, a dataclass or a Namespace, not list"):
        flatten_params([1])


class Wild:
    """Raises whatever it is asked."""

    def __repr__(self):
        raise RuntimeError("no")

    __str__ = __len__ = __iter__ = __float__ = __call__ = __hash__ = __bool__ = __eq__ = __repr__

    def __getattr__(self, name):
        raise ValueError(name)


class Liar(dict):
    def items(self):
        raise RuntimeError("no")


def test_a_strange_object_is_its_class_and_never_raises():
    assert param("x", Wild()) == "<Wild>"
    assert flatten_params({"x": Wild(), "y": [Wild(), 1]}) == {"x": "<Wild>", "y": ["<Wild>", 1]}
    assert param("x", type("Bare", (), {})()) == f"{__name__}.Bare"
    assert isinstance(param("x", Liar(a=1)), str)


def test_a_list_that_holds_itself_ends():
    knot = [1]
    knot.append(knot)
    assert json.dumps(param("x", knot))
    tangle = {}
    tangle["again"] = tangle
    assert json.dumps(flatten_params(tangle))


def test_long_texts_are_cut_with_a_mark():
    assert param("x", "a" * 1000, values.SHORT) == "a" * 500 + "… (1000 characters)"
    assert param("x", "a" * 1000) == "a" * 1000
    assert param("x", "a" * 20_000).endswith("… (20000 characters)")
    assert param("x", list(range(10_000)), 500).endswith("… (10000 entries)")
    assert flatten_params({"id2label": {i: f"label {i}" for i in range(2000)}})["id2label"].endswith("… (2000 entries)")
    assert len(flatten_params({"small": {i: i for i in range(900)}})) == 900


def test_long_names_never_become_one():
    kept = flatten_params({"n" * 1000: 1, "m" * 5000 + "a": 2, "m" * 5000 + "b": 3})
    assert sorted(kept.values()) == [1, 2, 3]
    assert "n" * 1000 in kept


def test_what_utf8_cannot_hold_is_replaced():
    kept = flatten_params({"a\ud800": "b\udfff"})
    assert kept == {"a?": "b?"}


@pytest.mark.parametrize(
    "name",
    ["token", "hf_token", "api_key", "API-KEY", "apiKey", "openai.api_key", "access_key", "aws_access_key_id", "password", "db.passwd",
     "client_secret", "auth", "basic_auth", "credential", "HFToken"],
)  # fmt: skip
def test_a_secret_is_masked_by_a_whole_word_of_its_name(name):
    assert is_secret(name)
    assert param(name, "s3cr3t") == "***"


@pytest.mark.parametrize("name", ["max_new_tokens", "tokenizer", "key_dim", "author", "tokens", "key", "monkey", "api", "passwords_file"])
def test_a_word_that_only_contains_it_is_none(name):
    assert not is_secret(name)
    assert param(name, "text") == "text"


def test_only_texts_are_masked():
    assert flatten_params({"token": 128, "auth": True, "password": None, "secret": ["a", 1], "api_key": {"x": "y"}}) == {
        "token": 128, "auth": True, "password": None, "secret": ["***", 1], "api_key.x": "***",
    }  # fmt: skip


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5), decimal.Decimal("0.5"), np.array([0.5]), np.array([[0.5]]), np.array(0.5)])
def test_a_metric_is_a_number(value):
    assert frozen_number("x", value) == 0.5
    assert type(frozen_number("x", value)) is float


@pytest.mark.parametrize("value", [np.ma.masked, np.ma.array([1.0], mask=[True])], ids=str)
def test_what_numpy_masks_has_no_value_and_none_is_made_up(value):
    assert math.isnan(frozen_number("x", value))
    assert math.isnan(param("x", value))
    assert frozen_number("x", np.ma.array([1.0], mask=[False])) == 1.0


def test_whole_numbers_and_truth_are_numbers():
    assert [frozen_number("x", value) for value in (3, True, np.int8(3), -(10**400))] == [3.0, 1.0, 3.0, -math.inf]


@pytest.mark.parametrize("value", ["0.5", None, b"1", 1j, [1.0], {}, object(), np.zeros(3)])
def test_what_is_no_number_is_refused_by_key_and_type(value):
    with pytest.raises(TypeError, match=f"metric 'val/acc' is a {type(value).__name__}"):
        frozen_number("val/acc", value)


def test_a_wild_object_is_no_metric():
    with pytest.raises(TypeError, match="metric 'x' is a Wild"):
        frozen_number("x", Wild())


def test_a_summary_holds_scalars_and_names_what_it_leaves_out():
    kept, left = summary_values({"n": np.array([3]), "a": {"b": 1}, "text": "ok", "t": True, "none": None, "many": np.zeros(3), "list": [1]})
    assert kept == {"n": 3, "a/b": 1, "text": "ok", "t": True, "none": None}
    assert left == ["many", "list"]


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.sets(SCALARS) | st.tuples(inner, inner), max_leaves=20))
def test_whatever_is_given_is_json_afterwards(value):
    kept = flatten_params({"x": value}, values.SHORT)
    written = json.dumps(kept)
    written.encode()
    assert all(type(name) is str for name in kept)
    assert repr(json.loads(written)) == repr(kept)


def test_numpy_is_not_imported():
    program = "import sys, autotrack.values as v; v.flatten_params({'a': [1], 'b': object()}); print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"


def test_what_holds_itself_has_an_end():
    config = {"lr": 0.1}
    config |= {f"again{i}": config for i in range(6)}
    flat = flatten_params(config)
    assert flat == {"lr": 0.1} | {f"again{i}": "<dict that holds itself>" for i in range(6)}
    entries = []
    entries += [entries] * 6
    assert plain(entries, 100) == ["<list of 6>"] * 6
    assert summary_values(config) == ({"lr": 0.1}, [f"again{i}" for i in range(6)])


def test_the_same_part_again_and_again_has_an_end():
    part = {"lr": 0.1}
    nested = [1]
    for _ in range(9):
        part = {f"{i}": part for i in range(10)}  # 10 ** 9 leaves in 91 objects
        nested = [nested] * 10
    assert len(flatten_params(part)) < 100_000
    assert len(json.dumps(plain(nested, 10_000))) < 2_000_000


def test_a_node_that_knows_its_parent_has_an_end():
    @dataclasses.dataclass
    class Node:
        parent: object = None
        children: list = dataclasses.field(default_factory=list)

    root = Node()
    root.children = [Node(root) for _ in range(50)]
    assert len(json.dumps(plain(root, 10_000))) < 10_000


def test_an_object_that_answers_no_question_is_still_a_summary():
    class Mute:
        def __getattr__(self, name):
            raise RuntimeError(name)

        def __repr__(self):
            raise RuntimeError("repr")

    assert summary_values({"x": Mute()})[1] == []
    assert set(flatten_params({"x": Mute()})) == {"x"}
