"""Each parameter has an optimizer of its own, which steps in a hook as soon as the gradient is there."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
optimizers = {p: torch.optim.SGD([p], lr=0.05) for p in model.parameters()}


def step(p):
    optimizers[p].step()
    optimizers[p].zero_grad()


for p in model.parameters():
    p.register_post_accumulate_grad_hook(step)

losses = []
for _ in range(10):
    loss = nn.functional.mse_loss(model(torch.randn(16, 4)), torch.zeros(16, 1))
    loss.backward()
    losses.append(loss.item())

EXPECTED = [{"series": {"train/loss": losses}}]
