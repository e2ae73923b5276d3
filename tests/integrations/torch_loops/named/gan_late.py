"""A discriminator that joins once the generator has trained alone for a while."""

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(32, 4)
G = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 4))
g_optimizer = torch.optim.Adam(G.parameters(), lr=1e-3)
g_losses, d_losses = [], []
D = None
for step in range(12):
    if step == 5:
        D = nn.Linear(4, 1)
        d_optimizer = torch.optim.Adam(D.parameters(), lr=1e-3)
    g_loss = nn.functional.l1_loss(G(x), x)
    if D is not None:
        g_loss = g_loss - 0.1 * D(G(x)).mean()
    g_optimizer.zero_grad()
    g_loss.backward()
    g_optimizer.step()
    g_losses.append(g_loss.item())
    if D is not None:
        d_loss = D(G(x).detach()).mean() - D(x).mean()
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()
        d_losses.append(d_loss.item())

EXPECTED = [{"series": {"g_loss": g_losses, "d_loss": {5 + i: value for i, value in enumerate(d_losses)}}}]
