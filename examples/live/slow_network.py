"""A small neural network reads digits, in small steps: a minute or two, to be looked at while it learns."""

from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

X, y = load_digits(return_X_y=True)

rounds = 30_000
MLPClassifier(hidden_layer_sizes=(64,), learning_rate_init=2e-6, max_iter=rounds, n_iter_no_change=rounds, tol=0, random_state=0).fit(X / 16, y)
