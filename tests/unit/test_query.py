"""The search language: what a text means as a tree, and what is said of a text that means nothing."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrack.errors import QueryError
from autotrack.query import (
    ALL,
    ATTRIBUTES,
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_KEYS,
    MAX_LENGTH,
    MAX_VALUES,
    MAX_WILDCARDS,
    STATISTICS,
    Condition,
    Either,
    Every,
    Field,
    Order,
    Query,
    Value,
    negated,
    parse,
)

LR = Field("params", "lr")
LOSS = Field("metrics", "val/loss")


def where(text):
    return parse(text).where


def test_no_text_is_every_run():
    assert parse() == parse("  \n") == ALL == Query(None, (), None, 0, False)


def test_the_example_of_the_readme():
    assert where("metrics.val/loss < 0.2 and params.lr >= 1e-3") == Every((Condition(LOSS, "<", (Value(0.2),)), Condition(LR, ">=", (Value(0.001),))))


def test_or_binds_weaker_than_and_and_not_strongest():
    a, b, c = (Condition(Field("params", key), "=", (Value(1.0),)) for key in "abc")
    assert where("params.a = 1 or params.b = 1 and params.c = 1") == Either((a, Every((b, c))))
    assert where("(params.a = 1 or params.b = 1) and params.c = 1") == Every((Either((a, b)), c))
    assert where("not params.a = 1 and params.b = 1") == Every((negated(a), b))


def test_not_is_pushed_down_to_the_conditions():
    assert where("not (params.a = 1 or not (params.b is null and params.c < 1))") == Every(
        (
            Condition(Field("params", "a"), "=", (Value(1.0),), negated=True),
            Every((Condition(Field("params", "b"), "null"), Condition(Field("params", "c"), "<", (Value(1.0),)))),
        )
    )


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("metrics.val/acc", Field("metrics", "val/acc")),
        ("metrics.val/acc.max", Field("metrics", "val/acc", "max")),
        ("metrics.val.acc", Field("metrics", "val.acc")),
        ("metrics.min", Field("metrics", "min")),
        ("metrics.min.min", Field("metrics", "min", "min")),
        ('metrics."a.min"', Field("metrics", "a.min")),
        ('metrics."a.min".max', Field("metrics", "a.min", "max")),
        ("metrics.`a b`", Field("metrics", "a b")),
        ('params."say ""hi"""', Field("params", 'say "hi"')),
        ("params.a-b.c:d@5", Field("params", "a-b.c:d@5")),
        ("params.x.max", Field("params", "x.max")),
        ("tags.größe", Field("tags", "größe")),
        ("tags.and", Field("tags", "and")),
        ("status", Field("run", "status")),
    ],
)
def test_a_field_is_a_key_of_a_group_or_an_attribute(text, field):
    assert where(f"{text} is null") == Condition(field, "null")


def test_operators_need_no_spaces():
    assert where("params.lr<-1e-3") == Condition(LR, "<", (Value(-0.001),))
    assert where("params.lr!=.5") == Condition(LR, "=", (Value(0.5),), negated=True)
    assert where("params.lr<>1") == where("params.lr != 1")
    assert where("params.lr==1") == where("params.lr = 1")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", Value(1.0)),
        ("+1.5e3", Value(1500.0)),
        ("-inf", Value(float("-inf"))),
        ("true", Value(truth=True)),
        ("False", Value(truth=False)),
        ("'adam'", Value(text="adam")),
        ("'it''s'", Value(text="it's")),
        ('"it\'s"', Value(text="it's")),
        ("''", Value(text="")),
        ("'0.10'", Value(0.1, "0.10")),
        ("'True'", Value(None, "True", True)),
        ("9007199254740993", Value(9007199254740993)),
        ("'1e400'", Value(float("inf"), "1e400")),
    ],
)
def test_a_value_has_the_faces_that_it_can_be_compared_by(text, value):
    (found,) = where(f"params.x = {text}").values
    assert found == value
    assert type(found.number) is type(value.number)


def test_times_are_iso_utc_relative_or_seconds():
    assert where("started > '2026-01-01'").values == (Value(1767225600.0),)
    assert where("started > '2026-01-01T01:00:00+01:00'").values == where("started > '2026-01-01T00:00Z'").values == (Value(1767225600.0),)
    assert where("started > 1767225600").values == (Value(1767225600.0),)
    for span, seconds in {"30s": 30, "5m": 300, "2h": 7200, "7d": 604800, "1.5w": 907200}.items():
        (value,) = where(f"started > {span} ago").values
        assert abs(time.time() - seconds - value.number) < 5
    assert where("duration > 2h").values == (Value(7200.0),)


def test_deleted_is_a_time_that_can_be_asked_as_yes_or_no():
    assert parse("deleted = true") == parse("deleted is not null") == Query(Condition(Field("run", "deleted"), "null", negated=True), deleted=True)
    assert parse("not deleted = true") == parse("deleted != true") == parse("deleted = false") == parse("deleted is null")
    assert parse("deleted > 7d ago").deleted


def test_an_order_is_fields_with_directions():
    assert parse(order_by="metrics.f1 desc, params.lr, started ASC").order == (
        Order(Field("metrics", "f1"), True),
        Order(LR),
        Order(Field("run", "started")),
    )


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("metrics.acc >", 13, "expected a value (a number, 'text', true or false), found the end"),
        ("metrics.acc", 11, "expected an operator (=, !=, <, <=, >, >=, in, between, like, contains, is null), found the end"),
        ("metrics.acc > 1 metrics.b > 2", 16, "expected 'and', 'or' or the end, found 'metrics.b'"),
        ("metrics.acc > 1 and", 19, "expected a field (metrics.x, params.x, tags.x, or one of id, name"),
        ("(metrics.acc > 1", 16, "expected ')', found the end"),
        ("metrics.acc > 1)", 15, "expected 'and', 'or' or the end, found ')'"),
        ("metrics. > 1", 8, "expected a key after 'metrics.'"),
        ('metrics."a".big > 1', 11, "expected an operator"),
        ('params."a".min > 1', 10, "expected an operator"),
        ("acc > 1", 0, "there is no field 'acc'; did you mean metrics.acc or params.acc?"),
        ("metric.acc > 1", 0, "did you mean metrics.acc?"),
        ("params.lr = 0.1 and statsu = 'failed'", 20, "did you mean status?"),
        ("data.acc > 1", 0, "fields are metrics.x, params.x, tags.x and attributes of the run"),
        ("params.opt = adam", 13, "found 'adam': text needs quotes"),
        ("status = finished", 9, "write 'finished' with quotes"),
        ("status = 'done'", 0, "there is no status 'done', there are running, finished, failed, interrupted, lost"),
        ("tags.fold > 3", 12, "ordered as text: write '3' with quotes"),
        ("name = 'a", 7, "this ' is not closed"),
        ("name ! 'a'", 5, "expected '!='"),
        ("params.x in ()", 13, "expected a value"),
        ("params.x in 1", 12, "expected '(', found '1'"),
        ("params.x in (1 2)", 15, "expected ')', found '2'"),
        ("params.x between 1 or 2", 19, "expected 'and', found 'or'"),
        ("params.x is 1", 12, "expected 'null', found '1'"),
        ("params.x not = 1", 13, "expected in, between, like or contains, found '='"),
        ("params.x like 1", 14, "expected text in quotes, found '1'"),
        ("duration like '1%'", 14, "like is about text, and duration is not"),
        ("metrics.x.max like '1%'", 19, "like is about text"),
        ("metrics.x.max > 'a'", 16, "expected a number, found 'a'"),
        ("started > 'yesterday'", 10, "expected a time ('2026-01-31'"),
        ("started > 7d", 12, "expected 'ago' after '7d', found the end"),
        ("started > 7 ago", 12, "expected 'and', 'or' or the end, found 'ago'"),
        ("name = 'a\0'", 9, "cannot hold the character NUL"),
        ("name = '\ud800'", 8, "lone surrogate"),
    ],
)
def test_an_error_says_where_and_what_was_expected(text, position, says):
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert says in str(caught.value)
    assert (caught.value.position, caught.value.text) == (position, text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("metrics.f1 down", "'asc', 'desc', ',' or the end"),
        ("name,", "expected a field after ','"),
        ("name asc desc", "',' or the end"),
        (", name", "field"),
    ],
)
def test_an_error_in_the_order_is_said_too(text, says):
    with pytest.raises(QueryError, match=says):
        parse(order_by=text)


@pytest.mark.parametrize("bad", [-1, 1.5, "3"])
def test_limit_and_offset_are_whole_numbers(bad):
    with pytest.raises(QueryError, match="limit must be a whole number"):
        parse(limit=bad)
    with pytest.raises(QueryError, match="offset must be a whole number"):
        parse(offset=bad)


def test_filter_and_order_are_texts():
    with pytest.raises(QueryError, match="filter must be a text, not None; '' stands for none"):
        parse(None)
    with pytest.raises(QueryError, match="order_by must be a text, not "):
        parse("", ["started"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = '" + "x" * MAX_LENGTH + "'", "10,000 characters"),
        ("(" * (MAX_DEPTH + 1) + "name = 'a'" + ")" * (MAX_DEPTH + 1), "nested 50 deep"),
        ("not " * (MAX_DEPTH + 1) + "name = 'a'", "nested 50 deep"),
        (" or ".join(["id = 'a'"] * (MAX_CONDITIONS + 1)), "200 conditions"),
        (f"id in ({', '.join(['1'] * (MAX_VALUES + 1))})", "500 values"),
        (" or ".join(f"params.k{i} = 1" for i in range(MAX_KEYS + 1)), "25 different keys"),
        (f"name like '{'%a' * (MAX_WILDCARDS + 1)}'", "10 times '%'"),
    ],
    ids=["length", "parentheses", "nots", "conditions", "values", "keys", "wildcards"],
)
def test_what_is_far_too_much_is_refused(text, says):
    with pytest.raises(QueryError, match=says):
        parse(text)


def test_what_is_just_within_the_bounds_is_understood():
    parse("(" * (MAX_DEPTH - 1) + "name = 'a'" + ")" * (MAX_DEPTH - 1))
    parse(" or ".join(["id = 'a'"] * MAX_CONDITIONS))
    parse(f"id in ({', '.join(['1'] * MAX_VALUES)})")


WORDS = [
    "metrics.a", "params.b", 'tags."c d"', "status", "started", "deleted", "(", ")", ",", "=", "!=", "<", ">=", "in", "not", "and", "or", "between",
    "like", "contains", "is", "null", "true", "1", "-2.5e3", "nan", "'x'", "'%'", '"', "'", "7d", "ago", "'2026-01-01'", ".", "!", "`", "metrics.",
    "desc",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join) | st.lists(st.sampled_from(WORDS), max_size=9).map("".join))
def test_any_text_is_understood_or_refused_with_a_position(text):
    for arguments in ({"text": text}, {"order_by": text}):
        error = None
        try:
            parse(**arguments)
        except QueryError as caught:
            error = caught
        assert error is None or (0 <= error.position <= len(text) and str(error))


# Trees, and how a person would write them.


def shown(value):
    if value.text is not None:
        return "'" + value.text.replace("'", "''") + "'"
    return str(value.truth).lower() if value.number is None else repr(value.number)


def written(node):
    if not isinstance(node, Condition):
        word = " and " if isinstance(node, Every) else " or "
        return "(" + word.join(map(written, node.parts)) + ")"
    field, values, no = node.field, list(map(shown, node.values)), "not " if node.negated else ""
    key = field.name if field.group == "run" else f'{field.group}."' + field.name.replace('"', '""') + '"'
    key += f".{field.statistic}" if field.group == "metrics" else ""
    if node.operator == "null":
        return f"{key} is {no}null"
    if node.operator in ("in", "between", "like", "contains"):
        one = {"in": f"({', '.join(values)})", "between": " and ".join(values)}.get(node.operator, values[0])
        return f"{key} {no}{node.operator} {one}"
    return f"{no}{key} {node.operator} {values[0]}"


keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
fields = st.one_of(
    st.builds(Field, st.just("params"), keys),
    st.builds(Field, st.just("metrics"), keys, st.sampled_from(STATISTICS)),
    st.builds(Field, st.just("tags"), keys),
    st.sampled_from([Field("run", name) for name in ATTRIBUTES if name not in ("status", "deleted")]),
)


@st.composite
def conditions(draw):
    field = draw(fields)
    numbers = st.floats(allow_nan=False).map(Value)
    words = st.text(st.characters(exclude_categories=["Cs", "Nd"], exclude_characters="\0%"), max_size=6).map(lambda text: Value(text=text + "!"))
    value = {"text": words, "typed": numbers | words | st.sampled_from([Value(truth=True), Value(truth=False)])}.get(field.nature, numbers)
    operators = ["=", "<", "<=", ">", ">=", "in", "between", "null"] + (["like", "contains"] if field.nature in ("text", "typed") else [])
    operator = draw(st.sampled_from(operators))
    count = {"null": st.just(0), "between": st.just(2), "in": st.integers(1, 4)}.get(operator, st.just(1))
    value = words if operator in ("like", "contains") else value
    return Condition(field, operator, tuple(draw(value) for _ in range(draw(count))), draw(st.booleans()))


trees = st.recursive(
    conditions(),
    lambda parts: st.builds(lambda kind, many: kind(tuple(many)), st.sampled_from([Every, Either]), st.lists(parts, min_size=2, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(trees)
def test_a_tree_that_is_written_down_is_understood_as_itself(tree):
    assert where(written(tree)) == tree
    assert negated(negated(tree)) == tree
    assert where(f"not {written(tree)}") == negated(tree)
