"""Three models and their optimizers are built first, then trained in turn by one function."""

import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(40, 4), torch.randn(40, 1)
models = [nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 1)) for width in (4, 8, 16)]
optimizers = [torch.optim.Adam(model.parameters(), lr=1e-2) for model in models]


def train(model, optimizer):
    losses = []
    for _ in range(20):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


curves = [train(model, optimizer) for model, optimizer in zip(models, optimizers)]

EXPECTED = [{"series": {"train/loss": curve}} for curve in curves]
