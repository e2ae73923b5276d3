"""Activation checkpointing, as it is done now."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)
blocks = nn.ModuleList(nn.Sequential(nn.Linear(6, 6), nn.GELU(), nn.Dropout(0.1)) for _ in range(3))
head = nn.Linear(6, 1)
optimizer = torch.optim.Adam([*blocks.parameters(), *head.parameters()], lr=1e-2)
losses = []
for _ in range(10):
    h = torch.randn(8, 6, requires_grad=True)
    for block in blocks:
        h = checkpoint(block, h, use_reentrant=False)
    loss = head(h).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

EXPECTED = [{"series": {"train/loss": losses}}]
