"""A classifier and its score on held-out flowers. Nothing here knows autotrack."""

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

X_train, X_test, y_train, y_test = train_test_split(*load_iris(return_X_y=True), test_size=0.3, random_state=0)

model = LogisticRegression(C=0.5, max_iter=500).fit(X_train, y_train)
print(f"accuracy on held-out flowers: {model.score(X_test, y_test):.3f}")
