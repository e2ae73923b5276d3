"""Gradients are asked for with autograd.grad, changed, and laid into .grad; an optimizer steps. Nobody calls backward."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
loader = DataLoader(TensorDataset(torch.randn(40, 4), torch.randn(40, 1)), batch_size=8, shuffle=True)
losses = []
for _ in range(4):
    for x, y in loader:
        loss = nn.functional.mse_loss(model(x), y)
        for p, g in zip(model.parameters(), torch.autograd.grad(loss, list(model.parameters()))):
            p.grad = g.sign()
        optimizer.step()
        losses.append(loss.item())

EXPECTED = [{"model": "Sequential", "series": {"train/loss": losses}, "epochs": 4}]
# No backward is called, so there is no loss to be heard, nor an epoch; the steps are.
CAME_OUT = [{"model": "Sequential", "series": {}, "epochs": 0, "steps": 20}]
