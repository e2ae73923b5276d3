"""For each batch, a small optimization of its own (a perturbation) before the step of the model."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
losses = []
for _ in range(8):
    x, y = torch.randn(16, 4), torch.randn(16, 1)
    delta = torch.zeros_like(x, requires_grad=True)
    inner = torch.optim.SGD([delta], lr=0.1)
    for _ in range(3):
        inner_loss = -nn.functional.mse_loss(model(x + delta), y)
        inner.zero_grad()
        inner_loss.backward()
        inner.step()
    loss = nn.functional.mse_loss(model(x + delta.detach()), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

EXPECTED = [{"series": {"train/loss": ("values", losses)}, "besides": ["inner_loss"]}]  # one run; the inner losses are a curve of their own
