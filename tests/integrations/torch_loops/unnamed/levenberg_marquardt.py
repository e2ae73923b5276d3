"""Curve fitting by Levenberg-Marquardt, written by hand: no optimizer, no backward."""

import torch
from torch.func import jacrev

torch.manual_seed(0)
t = torch.linspace(0, 4, 30)
y = 2.0 * torch.exp(-0.7 * t) + 0.05 * torch.randn(30)


def residuals(p):
    return p[0] * torch.exp(-p[1] * t) - y


params, damping = torch.tensor([1.0, 1.0]), 1e-2
losses = []
for _ in range(12):
    r, J = residuals(params), jacrev(residuals)(params)
    loss = r.square().sum()
    delta = torch.linalg.solve(J.T @ J + damping * torch.eye(2), -J.T @ r)
    if residuals(params + delta).square().sum() < loss:
        params, damping = params + delta, damping / 3
    else:
        damping *= 2
    losses.append(loss.item())
    print(f"{losses[-1]:.6f}")

EXPECTED = [{"series": {"train/loss": losses}}]  # it is a training, so a user would like to see it
CAME_OUT = []  # nothing is called that could be heard
