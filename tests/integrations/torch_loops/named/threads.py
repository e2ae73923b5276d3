"""Two trainings at once, in two threads."""

import threading

import torch
from torch import nn

curves = {}


def train(name):
    generator = torch.Generator().manual_seed(len(name))
    x, y = torch.randn(32, 4, generator=generator), torch.randn(32, 1, generator=generator)
    model = nn.Linear(4, 1)
    with torch.no_grad():
        for p in model.parameters():
            p.uniform_(-0.5, 0.5, generator=generator)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    curves[name] = losses


torch.manual_seed(0)
workers = [threading.Thread(target=train, args=(name,)) for name in ("one", "three")]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
curves = dict(sorted(curves.items()))

EXPECTED = [{"series": {"train/loss": curves[name]}} for name in sorted(curves, key=lambda name: curves[name][0])]
ORDER = "train/loss"  # which of them is first is chance: sorted by their first loss
