"""Evolution strategies: the gradient is estimated from random perturbations and handed to an optimizer; no backward at all."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(5, 1)
x, y = torch.randn(30, 5), torch.randn(30, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
scores = []
with torch.no_grad():
    for _ in range(20):
        start = nn.utils.parameters_to_vector(model.parameters())
        noise = torch.randn(8, len(start))
        rewards = torch.empty(8)
        for i in range(8):
            nn.utils.vector_to_parameters(start + 0.1 * noise[i], model.parameters())
            rewards[i] = -(model(x) - y).square().mean()
        nn.utils.vector_to_parameters(start, model.parameters())
        gradient = -(noise * ((rewards - rewards.mean()) / rewards.std())[:, None]).mean(0) / 0.1
        at = 0
        for p in model.parameters():
            p.grad = gradient[at : at + p.numel()].view_as(p).clone()
            at += p.numel()
        optimizer.step()
        scores.append(rewards.mean().item())

EXPECTED = [{"model": "Linear", "series": {}, "steps": 20}]  # a run with its parameters and steps; no loss exists to be seen
