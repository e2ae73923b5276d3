"""L-BFGS: the step calls the closure as often as it likes."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
x, y = torch.randn(30, 3), torch.randn(30, 1)
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=5)
asked, first = [], []


def closure():
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    asked.append(loss.item())
    return loss


for _ in range(5):
    before = len(asked)
    optimizer.step(closure)
    first.append(asked[before])

EXPECTED = [{"series": {"train/loss": first}, "epochs": 0}]
