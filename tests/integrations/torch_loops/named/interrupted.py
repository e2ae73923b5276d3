"""Ctrl-C in the fifth step."""

import os
import signal

import torch
from torch import nn

PROCESS = "a signal to the process"
torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
losses = []
EXPECTED = [{"status": "interrupted", "error": "KeyboardInterrupt", "series": {"train/loss": losses}}]
for step in range(10):
    if step == 4:
        os.kill(os.getpid(), signal.SIGINT)
    loss = nn.functional.mse_loss(model(torch.randn(8, 4)), torch.randn(8, 1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
