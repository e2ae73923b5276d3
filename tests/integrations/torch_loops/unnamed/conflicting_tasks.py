"""Two tasks on one body; where their gradients conflict, one is projected away from the other (after PCGrad)."""

import torch
from torch import nn

torch.manual_seed(0)
body, heads = nn.Linear(4, 8), nn.ModuleDict({"price": nn.Linear(8, 1), "demand": nn.Linear(8, 1)})
params = [*body.parameters(), *heads.parameters()]
optimizer = torch.optim.Adam(params, lr=1e-2)
x, y = torch.randn(30, 4), {"price": torch.randn(30, 1), "demand": torch.randn(30, 1)}
kept = {"price": [], "demand": []}
for _ in range(18):
    hidden = torch.relu(body(x))
    losses = {task: nn.functional.mse_loss(head(hidden), y[task]) for task, head in heads.items()}
    grads = []
    for task, loss in losses.items():
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        grads.append(torch.cat([(p.grad if p.grad is not None else torch.zeros_like(p)).flatten() for p in params]))
        kept[task].append(loss.item())
    conflict = grads[0] @ grads[1]
    if conflict < 0:
        grads[0] = grads[0] - conflict / grads[1].square().sum() * grads[1]
    at = 0
    for p in params:
        p.grad = (grads[0] + grads[1])[at : at + p.numel()].view_as(p).clone()
        at += p.numel()
    optimizer.step()

EXPECTED = [{"series": {"price": kept["price"], "demand": kept["demand"]}}]  # one curve a task
# One line calls backward for both, and gradients are thrown away between: only the last loss is there when the optimizer steps.
CAME_OUT = [{"series": {"train/loss": kept["demand"]}}]
