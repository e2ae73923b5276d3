"""Gradients of four batches for a step, each loss divided by four; the last window has three."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(TensorDataset(torch.randn(88, 4), torch.randn(88, 1)), batch_size=8)
every, undivided, means = 4, [], []
for i, (x, y) in enumerate(loader):
    loss = nn.functional.mse_loss(model(x), y)
    undivided.append(loss.item())
    loss = loss / every
    loss.backward()
    if (i + 1) % every == 0 or i + 1 == len(loader):
        optimizer.step()
        optimizer.zero_grad()
        means.append(sum(undivided) / len(undivided))
        undivided = []

EXPECTED = [{"series": {"train/loss": means}, "epochs": 1, "per_step": 4}]
