"""Two trainings in one script, by different lines."""

import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(40, 4), torch.randn(40, 1)
linear_losses, deep_losses = [], []

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for _ in range(20):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
    linear_losses.append(loss.item())

deep = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer_2 = torch.optim.Adam(deep.parameters(), lr=0.01)
for _ in range(18):
    optimizer_2.zero_grad()
    loss = nn.functional.l1_loss(deep(x), y)
    loss.backward()
    optimizer_2.step()
    deep_losses.append(loss.item())

EXPECTED = [
    {"model": "Linear", "series": {"train/loss": linear_losses}, "params": {"optimizer": "SGD"}},
    {"model": "Sequential", "series": {"train/loss": deep_losses}, "params": {"optimizer": "Adam"}},
]
