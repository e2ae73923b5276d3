"""A loader is gone round and round for a number of steps; arguments come from the command line's defaults."""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.05)
parser.add_argument("--steps", type=int, default=14)
args = parser.parse_args([])


def cycle(loader):
    while True:
        yield from loader


torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
batches = cycle(DataLoader(TensorDataset(torch.randn(40, 4), torch.randn(40, 1)), batch_size=8, shuffle=True))
losses = []
for _ in range(args.steps):
    x, y = next(batches)
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

EXPECTED = [{"series": {"train/loss": losses}, "params": {"args.lr": 0.05, "args.steps": 14}}]
