"""A network that solves a differential equation: derivatives by autograd inside the loss; Adam first, then L-BFGS."""

import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
inside = torch.linspace(0, 1, 20).unsqueeze(1).requires_grad_()
border = torch.tensor([[0.0], [1.0]])
losses, asked = [], []


def loss_of():
    u = net(inside)
    (du,) = torch.autograd.grad(u.sum(), inside, create_graph=True)
    (ddu,) = torch.autograd.grad(du.sum(), inside, create_graph=True)
    loss_pde = (ddu + torch.pi**2 * torch.sin(torch.pi * inside)).square().mean()
    loss_bc = net(border).square().mean()
    return loss_pde + 10 * loss_bc


optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for _ in range(20):
    optimizer.zero_grad()
    loss = loss_of()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

optimizer = torch.optim.LBFGS(net.parameters(), max_iter=4, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    loss = loss_of()
    loss.backward()
    asked.append(loss.item())
    return loss


for _ in range(4):
    loss = optimizer.step(closure)
    losses.append(loss.item())

EXPECTED = [{"model": "Sequential", "series": {"train/loss": losses}, "epochs": 0}]  # one curve through both phases
