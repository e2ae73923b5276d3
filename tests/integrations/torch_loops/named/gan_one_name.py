"""A GAN whose two losses have one name."""

import torch
from torch import nn

torch.manual_seed(0)
G, D = nn.Linear(3, 2), nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
opts = torch.optim.RMSprop(D.parameters(), lr=1e-3), torch.optim.RMSprop(G.parameters(), lr=1e-3)
first, second = [], []
for _ in range(10):
    real, fake = torch.randn(8, 2), G(torch.randn(8, 3))
    loss = D(fake.detach()).mean() - D(real).mean()
    opts[0].zero_grad()
    loss.backward()
    opts[0].step()
    first.append(loss.item())
    loss = -D(fake).mean()
    opts[1].zero_grad()
    loss.backward()
    opts[1].step()
    second.append(loss.item())

EXPECTED = [{"series": {"train/loss": first, "loss_2": second}, "epochs": 0}]
