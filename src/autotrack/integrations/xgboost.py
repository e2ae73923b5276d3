"""XGBoost: the booster's parameters, its evaluation curves, its best round, what its features weigh.

Observes ``xgboost.train`` and ``xgboost.cv``. XGBoost's scikit-learn estimators train through ``train`` as well; there
the sklearn integration owns the run, and this one adds to it (``engine_of``).

Source: https://xgboost.readthedocs.io/en/stable/python/callbacks.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from time import perf_counter, time
from typing import Any

from xgboost import Booster, DMatrix, collective
from xgboost.callback import EarlyStopping, LearningRateScheduler, TrainingCallback

from autotrack.guard import failed
from autotrack.instrument import Call, Fit, Integration, Observed, asked, guarded
from autotrack.instrument.fits import of_pairs

integration = Integration("xgboost", requires="xgboost>=2.1", engine_of=["sklearn"])

RECORDS: list[tuple[str, str, str]] = [
    ("xgboost.train", "{data set}/{metric} and time/round_s of every round that ran, live", "a callback, ahead of the user's own"),
    ("xgboost.train", "all parameters: as given, else as XGBoost resolved them", "Booster.save_config"),
    ("xgboost.train", "best_round, best_score, best/{data set}/{metric} where it stops early; rounds, time/rounds_per_s", "the booster"),
    ("xgboost.train", "table feature_importance: gain, weight, cover (the 200 largest)", "Booster.get_score"),
    ("xgboost.train", "booster.ubj, an artifact of kind model", "Booster.save_raw"),
    ("XGBClassifier, XGBRegressor, XGBRanker, XGBRF*", "the same, in the one run of the estimator", "scikit-learn's part and XGBoost's"),
    ("xgboost.cv", "train/{metric}, test/{metric} and their _std, by round; best_round, best_score", "a callback"),
]

# One function under three names. A name is a binding of its own, and each is patched.
TRAIN = ("xgboost.training:train", "xgboost:train", "xgboost.sklearn:train")
CV = ("xgboost.training:cv", "xgboost:cv")

NUMBERED = re.compile(r"validation_\d+")  # how XGBoost's scikit-learn estimators name the sets of `eval_set`
MOST_FEATURES = 200
MOST_NAMES = 1_000
APART_S = 0.02  # so long a short round waits to be told with others: telling it alone costs 5 µs, for nothing of it is in the cache

# Two names for one parameter: as the booster's configuration has it, and what else may be typed.
ALIASES = {
    "learning_rate": "eta",
    "min_split_loss": "gamma",
    "reg_alpha": "alpha",
    "reg_lambda": "lambda",
    "n_jobs": "nthread",
    "random_state": "seed",
}
INTERNAL = frozenset({
    "name", "updater_seq", "specified_updater", "debug_synchronize", "max_cached_hist_node", "fail_on_invalid_gpu_id", "num_trees", "num_feature",
    "num_target", "boost_from_average", "refresh_leaf", "process_type", "sparse_threshold", "seed_per_iteration", "disable_default_eval_metric",
    "max_row_perbatch",
})  # fmt: skip


def is_alone(_nothing: Any) -> bool:
    """Not one of several workers that train one booster together (Dask, Spark): their client has the run."""
    return not collective.is_distributed()


@integration.fit(*TRAIN, when=is_alone, by_instance=True)
def train(fit: Fit, call: Call) -> Observed:
    told = {**dict_of(call["params"]), **({} if call["obj"] is None else {"objective": call["obj"]})}
    fit.params({**told, "num_boost_round": call["num_boost_round"], **call.select("early_stopping_rounds", "maximize", "custom_metric")})
    evals = call["evals"] if isinstance(call["evals"], list | tuple) else ()  # what can be read only once is XGBoost's to read
    names = set_names(call["dtrain"], evals)
    fit.dataset("train", facts_of(call["dtrain"]))
    for matrix, name in evals:
        if matrix is not call["dtrain"]:
            fit.dataset(names.get(name, name), facts_of(matrix))
    curves = Curves(fit, names, goes_on=call["xgb_model"] is not None)
    if call["callbacks"] is None or isinstance(call["callbacks"], list | tuple):
        call.prepend("callbacks", curves)  # first: XGBoost stops asking at the first callback that returns True

    try:
        booster: Booster = yield
    finally:
        curves.tell()

    config = json.loads(booster.save_config())
    fit.params(resolved(config, told, is_scheduled=has(call, LearningRateScheduler)))
    fit.summary(curves.summary(call["dtrain"].num_row()))
    if stops_early(call):
        fit.summary(curves.best(booster.attr("best_iteration"), booster.attr("best_score")))
    fit.table("feature_importance", importances_of(booster, config))
    fit.content("booster.ubj", of=lambda: booster.save_raw("ubj"), kind="model")


@integration.fit(*CV, when=is_alone, by_instance=True)
def cv(fit: Fit, call: Call) -> Observed:
    fit.name("xgboost.cv")
    told = {**dict_of(call["params"]), **({} if call["obj"] is None else {"objective": call["obj"]})}
    asked = call.select("early_stopping_rounds", "maximize", "stratified", "metrics", "seed", "shuffle", "custom_metric")
    fit.params({**told, "num_boost_round": call["num_boost_round"], "nfold": call["nfold"], **asked})
    fit.dataset("train", facts_of(call["dtrain"]))
    curves = Curves(fit, {}, goes_on=False)
    if call["callbacks"] is None or isinstance(call["callbacks"], list | tuple):
        call.prepend("callbacks", curves)

    try:
        yield
    finally:
        curves.tell()

    fit.summary(curves.summary(call["dtrain"].num_row()))
    if curves.booster is not None and stops_early(call):
        fit.summary(curves.best(curves.booster.attr("best_iteration"), curves.booster.attr("best_score")))


class Curves(TrainingCallback):
    """Record what XGBoost evaluates in each round, as ``{data set}/{metric}``: as rounds come, several of short ones at a time."""

    def __init__(self, fit: Fit, names: Mapping[str, str], *, goes_on: bool) -> None:
        self._say = fit.pen()
        self._names = names
        self._keys: list[tuple[str, Any]] = []  # of each curve: its name, and the list that XGBoost appends to
        self._began = self._before = perf_counter()
        self._told = -APART_S  # when rounds were told: the first one is at once
        self._untold: list[tuple[int, float, list[Any]]] = []  # rounds: number, when it ended, the value of each curve
        self._goes_on = goes_on  # with a booster that had rounds before
        self._start = 0  # how many
        self._rounds = 0
        self.booster: Any = None  # of xgboost.cv: what holds the boosters of all folds

    def __hash__(self) -> int:
        """The smallest: before 3.0 XGBoost puts the callbacks into a set, where what came first and has this hash stays first."""
        return 0

    @guarded
    def before_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002 - as TrainingCallback has it
        """Before the first round; it has nothing to do before the others."""
        self.booster = model
        self._began = self._before = perf_counter()
        self.before_iteration = _goes_on  # type: ignore[assignment,method-assign]
        return False

    @guarded
    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, list[Any]]]) -> bool:
        """After the first round, which says what there is to record after each."""
        # Not earlier: the first question to a booster configures it, and its warnings would come from our line.
        self._start = model.num_boosted_rounds() - 1 if self._goes_on else 0
        self._keys = [
            (f"{self._names.get(part, part)}/{metric}", values) for part, metrics in evals_log.items() for metric, values in metrics.items()
        ]
        self.after_iteration = self._record  # type: ignore[assignment,method-assign]
        return self._record(model, epoch, evals_log)

    def _record(self, _model: Any, epoch: int, _evals_log: Any) -> bool:
        try:
            now = perf_counter()
            self._untold.append((epoch, now, [values[-1] for _, values in self._keys]))
            self._rounds += 1
            if now - self._told >= APART_S:
                self.tell()
        except Exception as error:  # noqa: BLE001 - at every round, where a guard would be felt; see guard.failed
            failed("recording a round", error)
        return False  # only True stops the training

    @guarded
    def tell(self) -> None:
        """Log the rounds that are not told yet, each with the time when it ended."""
        untold, self._untold = self._untold, []
        names, row = [key for key, _ in self._keys], dict[str, Any]()
        self._told = perf_counter()
        zero = time() - self._told
        for epoch, ended, values in untold:
            for key, value in zip(names, values, strict=True):
                row[key] = value
                if type(value) is tuple:  # of xgboost.cv: mean, std
                    row[key], row[f"{key}_std"] = value
            row["time/round_s"] = ended - self._before
            self._before = ended
            self._say(row, self._start + epoch, zero + ended)

    def summary(self, rows: int) -> dict[str, Any]:
        """How many rounds ran in this call, and how fast."""
        took_s = perf_counter() - self._began
        rates = {"time/rounds_per_s": self._rounds / took_s, "time/rows_per_s": self._rounds * rows / took_s} if took_s > 0 else {}
        return {"rounds": self._rounds, **rates}

    def best(self, best_round: str | None, best_score: str | None) -> dict[str, Any]:
        """The best round and its score, as XGBoost notes them in the booster, and what every curve was there."""
        if best_round is None or best_score is None:
            return {}
        place = int(best_round) - self._start
        there = {f"best/{key}": values[place] for key, values in self._keys if 0 <= place < len(values)}
        flat = {key: value[0] if isinstance(value, tuple) else value for key, value in there.items()}
        return {"best_round": int(best_round), "best_score": first_number(best_score), **flat}


def _goes_on(_model: Any, _epoch: int, _evals_log: Any) -> bool:
    return False


def first_number(text: str) -> float:
    """The score that early stopping notes; of ``xgboost.cv`` before 3.0 a pair, ``(np.float64(0.93), 0.04)``."""
    return float(re.sub(r"np\.float\d*|[()\s]", "", text).partition(",")[0])


def dict_of(params: Any) -> dict[str, Any]:
    """The booster's parameters: a dict, or pairs, of which a name that comes twice is a list."""
    return dict(params) if isinstance(params, Mapping) else of_pairs(params or ())


def set_names(train_set: Any, evals: Sequence[tuple[Any, str]]) -> dict[str, str]:
    """Names for the sets that XGBoost numbered itself: ``train`` for the training data, else ``val``, ``val2``. Others stay."""
    names: dict[str, str] = {}
    validations = 0
    for matrix, name in evals:
        if not isinstance(name, str) or not NUMBERED.fullmatch(name):
            continue
        if matrix is train_set and "train" not in names.values():
            names[name] = "train"
        else:
            validations += 1
            names[name] = "val" if validations == 1 else f"val{validations}"
    return names


def stops_early(call: Call) -> bool:
    """Whether it may stop early: only then the booster's best round is of this training, and not of one that it goes on from."""
    return bool(call["early_stopping_rounds"]) or has(call, EarlyStopping)


def has(call: Call, kind: type) -> bool:
    """Whether the user has a callback of this kind."""
    return any(isinstance(callback, kind) for callback in call["callbacks"] or ())


def facts_of(matrix: DMatrix) -> dict[str, Any]:
    """What a matrix knows of itself without reading it: it keeps no more. Of what is no matrix, its type."""
    kind = {"type": type(matrix).__name__}
    return asked(lambda: kind | answers_of(matrix), kind)


def answers_of(matrix: DMatrix) -> dict[str, Any]:
    names = matrix.feature_names
    facts = {"shape": [int(matrix.num_row()), int(matrix.num_col())], "nonmissing": int(matrix.num_nonmissing())}
    return {**facts, "columns": list(names[:MOST_NAMES])} if names else facts


def resolved(config: Mapping[str, Any], told: Mapping[str, Any], *, is_scheduled: bool) -> dict[str, Any]:
    """Parameters that the user left to XGBoost, as it settled them, in the spelling that he would use.

    A learning rate that is scheduled (``is_scheduled``) is no parameter: what the booster has is that of the last round.
    """
    found = dict(leaves(config["learner"]))
    if is_scheduled:
        found.pop("learning_rate", None)
        found.pop("eta", None)
    for long, short in ALIASES.items():
        is_given = told.get(long) is not None or told.get(short) is not None
        kept = None if is_given else long if long in told else short  # the scikit-learn estimators pass every name, most of them None
        for name in (long, short):
            if name != kept:
                found.pop(name, None)
    return {name: value for name, value in found.items() if told.get(name) is None}


def leaves(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every named value of a booster's configuration, however deep; what is no parameter of a user is left out."""
    for name, value in config.items():
        if type(value) is dict:  # as JSON is read
            yield from leaves(value)
        elif type(value) is str and name not in INTERNAL:
            yield name, number(value)


def number(text: str) -> Any:
    """XGBoost writes numbers as text; floats are 32 bits wide, so 0.1 comes as 0.100000001 and is 0.1."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(f"{float(text.strip('[]')):.7g}")
    except ValueError:
        return text


def importances_of(booster: Booster, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The features with the largest gain, and their weight and cover; of a linear booster the weight, which is all it has."""
    kinds = ("weight",) if config["learner"]["gradient_booster"]["name"] == "gblinear" else ("gain", "weight", "cover")
    scores = {kind: booster.get_score(importance_type=kind) for kind in kinds}
    first = {name: value if isinstance(value, float) else max(map(abs, value)) for name, value in scores[kinds[0]].items()}  # a list: by class
    best = sorted(first, key=lambda name: -abs(first[name]))[:MOST_FEATURES]
    return [{"feature": name, **{kind: scores[kind].get(name) for kind in kinds}} for name in best]
