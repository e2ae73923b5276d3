"""Trained by a function whose optimizer is gone when it returns; tested as the last thing before the program ends."""

import torch
from torch import nn

PROCESS = "the end of the process"
torch.manual_seed(0)
losses, test_losses = [], {}
EXPECTED = [{"model": "Linear", "series": {"train/loss": losses, "test/loss": test_losses}}]


def train(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(10):
        loss = nn.functional.mse_loss(model(torch.randn(8, 4)), torch.randn(8, 1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())


def test(model):
    model.eval()
    with torch.no_grad():
        test_losses[9] = nn.functional.mse_loss(model(torch.randn(8, 4)), torch.randn(8, 1)).item()


model = nn.Linear(4, 1)
train(model)
test(model)
