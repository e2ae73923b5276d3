"""Meta-learning without second derivatives (Reptile): a copy is trained on each task, and the model moves towards it."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
losses = []
for _ in range(10):
    phase = torch.rand(()) * 3
    learner = copy.deepcopy(model)
    optimizer = torch.optim.SGD(learner.parameters(), lr=0.05)
    for _ in range(5):
        x = torch.rand(10, 1) * 4 - 2
        loss = F.mse_loss(learner(x), torch.sin(x + phase))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        for p, q in zip(model.parameters(), learner.parameters()):
            p.add_(q - p, alpha=0.1)

EXPECTED = [{"model": "Sequential", "series": {"train/loss": losses}}]  # one training: the learners are its means
# As with federated averaging: each copy is trained by itself.
CAME_OUT = [{"series": {"train/loss": losses[i : i + 5]}} for i in range(0, len(losses), 5)]
