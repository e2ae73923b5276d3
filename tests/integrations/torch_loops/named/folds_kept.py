"""Cross-validation where every model and optimizer stays alive."""

import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(60, 4), torch.randn(60, 1)
models, optimizers, losses = [], [], []
for fold in range(3):
    rows = torch.arange(60) % 3 != fold
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses.append([])
    for _ in range(6):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        losses[fold].append(loss.item())
    models.append(model)
    optimizers.append(optimizer)

EXPECTED = [{"series": {"train/loss": curve}} for curve in losses]
