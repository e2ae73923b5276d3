"""The loss has no name: backward is called on what the function returns."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
losses = []
for _ in range(10):
    x, y = torch.randn(8, 4), torch.randn(8, 1)
    with torch.no_grad():
        losses.append(F.mse_loss(model(x), y).item())
    optimizer.zero_grad()
    F.mse_loss(model(x), y).backward()
    optimizer.step()

EXPECTED = [{"series": {"mse_loss": losses}}]
