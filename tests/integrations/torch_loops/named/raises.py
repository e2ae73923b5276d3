"""The training fails in its seventh step."""

import torch
from torch import nn

PROCESS = "an exception that nobody catches"
torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
losses = []
EXPECTED = [{"status": "failed", "error": "ValueError: bad batch", "series": {"train/loss": losses}}]
for step in range(10):
    if step == 6:
        raise ValueError("bad batch")
    loss = nn.functional.mse_loss(model(torch.randn(8, 4)), torch.randn(8, 1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
