"""A mixture of experts with activation checkpointing, module hooks and a balancing loss."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

torch.manual_seed(0)


class Mixture(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(6, 4)
        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Dropout(0.1), nn.Linear(12, 6)) for _ in range(4))
        self.out = nn.Linear(6, 2)

    def forward(self, x):
        weights = F.softmax(self.gate(x), dim=1)
        self.aux_loss = 4 * (weights.mean(0) ** 2).sum()
        mixed = sum(w[:, None] * checkpoint(expert, x, use_reentrant=False) for w, expert in zip(weights.T, self.experts))
        return self.out(mixed)


model = Mixture()
norms = []
for expert in model.experts:
    expert.register_forward_hook(lambda module, args, output: norms.append(output.detach().norm().item()))
model.gate.register_full_backward_hook(lambda module, into, out_of: norms.append(out_of[0].norm().item()))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x, y = torch.randn(64, 6), torch.randint(0, 2, (64,))
losses = []
for step in range(18):
    rows = slice(8 * (step % 8), 8 * (step % 8) + 8)
    task_loss = F.cross_entropy(model(x[rows]), y[rows])
    loss = task_loss + 0.01 * model.aux_loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

EXPECTED = [{"model": "Mixture", "series": {"train/loss": losses}, "epochs": 0}]
