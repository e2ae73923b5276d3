"""A small neural network reads digits, and stops early."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X_train, X_test, y_train, y_test = train_test_split(*load_digits(return_X_y=True), test_size=0.3, random_state=0)

network = MLPClassifier(hidden_layer_sizes=(32,), early_stopping=True, max_iter=60, random_state=0)
model = make_pipeline(StandardScaler(), network).fit(X_train, y_train)
print(f"accuracy on held-out digits: {model.score(X_test, y_test):.3f}")
