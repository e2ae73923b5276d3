"""Gradient boosting with an evaluation set and early stopping, through XGBoost's two interfaces."""

import xgboost
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import train_test_split

X_train, X_val, y_train, y_val = train_test_split(*load_diabetes(return_X_y=True), test_size=0.3, random_state=0)
regressor = xgboost.XGBRegressor(n_estimators=300, max_depth=3, learning_rate=0.05, subsample=0.8, early_stopping_rounds=30, random_state=0)
regressor.fit(X_train, y_train, eval_set=[(X_train, y_train), (X_val, y_val)], verbose=False)
print(f"best round: {regressor.best_iteration}, error there: {regressor.best_score:.1f}")

X_train, X_val, y_train, y_val = train_test_split(*load_breast_cancer(return_X_y=True), test_size=0.3, random_state=0)
train, val = xgboost.DMatrix(X_train, y_train), xgboost.DMatrix(X_val, y_val)
params = {"objective": "binary:logistic", "eta": 0.1, "max_depth": 4, "eval_metric": ["logloss", "auc"]}
xgboost.train(params, train, num_boost_round=80, evals=[(train, "train"), (val, "val")], verbose_eval=False)
