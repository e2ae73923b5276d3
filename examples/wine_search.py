"""A search over a forest's settings: one run, with a run inside it for every candidate."""

from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV

grid = {"n_estimators": [10, 40], "max_depth": [2, 4, None]}
search = GridSearchCV(RandomForestClassifier(random_state=0), grid, cv=3).fit(*load_wine(return_X_y=True))
print(f"best: {search.best_params_}, accuracy {search.best_score_:.3f}")
