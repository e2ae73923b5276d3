"""The same model again and again in a loop: lists show such runs as one line."""

from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

X_train, X_test, y_train, y_test = train_test_split(*load_diabetes(return_X_y=True), test_size=0.3, random_state=0)

models = {0.01 * 1.25**i: Ridge(alpha=0.01 * 1.25**i).fit(X_train, y_train) for i in range(30)}
scores = {alpha: model.score(X_test, y_test) for alpha, model in models.items()}
print(f"best alpha: {max(scores, key=scores.get):.3f}")
