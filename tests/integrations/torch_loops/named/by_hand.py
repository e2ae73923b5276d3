"""Raw tensors, updated by hand: no optimizer anywhere."""

import torch

PROCESS = "an update by hand is told only while no optimizer was ever built in the process"
torch.manual_seed(0)
x, y = torch.randn(40, 3), torch.randn(40, 1)
w = torch.randn(3, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
losses = []
for _ in range(20):
    loss = ((x @ w + b - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        b -= 0.1 * b.grad
        w.grad.zero_()
        b.grad.zero_()
    losses.append(loss.item())

EXPECTED = [{"series": {"train/loss": losses}, "by_hand": True}]
