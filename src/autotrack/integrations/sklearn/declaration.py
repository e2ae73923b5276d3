"""The declaration that every file here adds to, and what it records, as rows for the documentation."""

from __future__ import annotations

from autotrack.instrument import Integration

integration = Integration("sklearn", requires="scikit-learn>=1.5")

# What is trained; what is recorded of it; where that comes from. docs/recorded.md is made of it.
RECORDS: list[tuple[str, str, str]] = [
    ("every predictor, clusterer, detector", "all parameters, typed; time/fit_s; shape, types and hash of the data", "get_params"),
    ("GradientBoosting*", "train/loss, val/loss, oob/loss, oob/improvement, live", "fit(monitor=), chained before the user's own"),
    ("HistGradientBoosting* with early stopping", "train/loss, val/loss; or train/score, val/score", "its attributes"),
    ("MLP* (sgd, adam)", "train/loss, val/score, lr, live", "once an epoch"),
    (
        "LogisticRegression, HuberRegressor, Poisson-, Gamma-, TweedieRegressor, GaussianProcess*, MLP* (lbfgs)",
        "train/loss, live",
        "scipy.optimize.minimize(callback=); SciPy 1.11 or newer",
    ),
    ("MiniBatchKMeans", "train/inertia, live", "once a batch"),
    ("AdaBoost*", "train/error, train/weight", "estimator_errors_, estimator_weights_"),
    ("GaussianMixture, BayesianGaussianMixture", "train/lower_bound", "lower_bounds_ (scikit-learn 1.6 or newer)"),
    ("BayesianRidge, ARDRegression (compute_score)", "train/score", "scores_"),
    ("LassoCV, ElasticNetCV, LarsCV, LassoLarsCV, LogisticRegressionCV", "val/mse or val/score along the path; table path", "mse_path_, scores_"),
    ("RFECV", "val/score by number of features", "cv_results_"),
    ("what an estimator knows when it is fitted", "n_iter, loss, best_loss, inertia, oob_score, lower_bound, alpha, …", "its attributes"),
    ("linear models, trees, forests, boosting", "table feature_importance (the 200 largest)", "coef_, feature_importances_"),
    ("Pipeline, TransformedTargetRegressor", "one run: the last step's curves, time/fit_s/<step>", "the same"),
    ("GridSearchCV, RandomizedSearchCV, Halving*", "best_score, best/<parameter>, table cv_results; a child run for each candidate", "cv_results_"),
    ("cross_validate, cross_val_score, cross_val_predict", "test/<score> by fold, mean_ and std_ of it, times", "what it returns"),
    ("learning_curve, validation_curve", "train/score, test/score; a table", "what it returns"),
    ("permutation_test_score, permutation_importance", "score, pvalue; table permutation_importance", "what it returns"),
    ("partial_fit", "one run for each estimator: train/loss, time/call_s, n_samples_seen by call", "each call"),
    ("model.score(X_test, y_test) after a fit", "test/score, by the name of the variable", "what it returns"),
]
