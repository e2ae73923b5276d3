"""Cross-validation with one model that is reset for each fold."""

import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(40, 4), torch.randn(40, 1)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
losses = [[], []]
for fold in range(2):
    for layer in model:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(8):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x[fold::2]), y[fold::2])
        loss.backward()
        optimizer.step()
        losses[fold].append(loss.item())

EXPECTED = [{"series": {"train/loss": curve}} for curve in losses]
