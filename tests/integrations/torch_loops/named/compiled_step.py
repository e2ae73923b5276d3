"""The whole step is compiled: forward, backward and the optimizer."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
losses = []


@torch.compile(backend="eager")
def train_step(x, y):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


for _ in range(12):
    losses.append(train_step(torch.randn(8, 4), torch.randn(8, 1)).item())

EXPECTED = [{"series": {"train/loss": losses}, "steps": 12}]
