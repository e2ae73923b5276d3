"""Meta-learning with gradients through the inner update (MAML): sines of different phases."""

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
meta_optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
meta_losses = []
for _ in range(20):
    meta_loss = 0.0
    for _ in range(3):
        phase = torch.rand(()) * 3
        x = torch.rand(10, 1) * 4 - 2
        y = torch.sin(x + phase)
        fast = dict(model.named_parameters())
        for _ in range(2):
            inner_loss = F.mse_loss(functional_call(model, fast, (x[:5],)), y[:5])
            grads = torch.autograd.grad(inner_loss, fast.values(), create_graph=True)
            fast = {name: p - 0.1 * g for (name, p), g in zip(fast.items(), grads)}
        meta_loss = meta_loss + F.mse_loss(functional_call(model, fast, (x[5:],)), y[5:])
    meta_optimizer.zero_grad()
    meta_loss.backward()
    meta_optimizer.step()
    meta_losses.append(meta_loss.item())

EXPECTED = [{"model": "Sequential", "series": {"meta_loss": meta_losses}, "epochs": 0}]
