"""A loop inside an estimator's fit belongs to that fit; the loop after it is a training of its own."""

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import nn

torch.manual_seed(0)


class TorchClassifier(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.net_ = nn.Linear(X.shape[1], 2)
        optimizer = torch.optim.SGD(self.net_.parameters(), lr=0.1)
        for _ in range(6):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(self.net_(torch.as_tensor(X)), torch.as_tensor(y))
            loss.backward()
            optimizer.step()
        return self

    def predict(self, X):
        return self.net_(torch.as_tensor(X)).argmax(1).numpy()


X, y = np.random.RandomState(0).randn(30, 3).astype("float32"), np.arange(30) % 2
classifier = TorchClassifier().fit(X, y)
net = nn.Linear(3, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
losses = []
for _ in range(6):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(net(torch.as_tensor(X)), torch.zeros(30, 1))
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

EXPECTED = [{"kind": "sklearn", "series": {}}, {"kind": "torch", "series": {"train/loss": losses}}]
