"""Two models are updated through one function: the names stand at its calls."""

import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(24, 3), torch.randn(24, 1)


def update(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


one, other = nn.Linear(3, 1), nn.Linear(3, 1)
opt_a, opt_b = torch.optim.SGD(one.parameters(), lr=0.1), torch.optim.SGD(other.parameters(), lr=0.01)
a, b = [], []
for _ in range(10):
    loss_a = nn.functional.mse_loss(one(x), y)
    a.append(update(opt_a, loss_a))
    loss_b = nn.functional.mse_loss(other(x), one(x).detach())
    b.append(update(opt_b, loss=loss_b))

EXPECTED = [{"series": {"loss_a": a, "loss_b": b}}]
