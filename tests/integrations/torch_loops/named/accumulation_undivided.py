"""Gradients of three batches for a step, summed as they are."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
window, means = [], []
for i in range(6):
    loss = (model(torch.randn(8, 4)) - 1).square().mean()
    loss.backward()
    window.append(loss.item())
    if i % 3 == 2:
        optimizer.step()
        optimizer.zero_grad()
        means.append(sum(window) / 3)
        window.clear()

EXPECTED = [{"series": {"train/loss": means}, "epochs": 0, "per_step": 3}]
