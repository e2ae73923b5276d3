"""Contrastive learning with a momentum encoder and a queue of negatives (after MoCo)."""

import copy

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
momentum_encoder = copy.deepcopy(encoder)
for p in momentum_encoder.parameters():
    p.requires_grad = False
queue, head = F.normalize(torch.randn(4, 32), dim=0), 0
optimizer = torch.optim.SGD(encoder.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
loader = DataLoader(TensorDataset(torch.randn(48, 8)), batch_size=8, shuffle=True, drop_last=True)
contrastive_losses = []
for _ in range(2):
    for (x,) in loader:
        q = F.normalize(encoder(x + 0.1 * torch.randn_like(x)), dim=1)
        with torch.no_grad():
            for slow, fast in zip(momentum_encoder.parameters(), encoder.parameters()):
                slow.mul_(0.99).add_(fast, alpha=0.01)
            k = F.normalize(momentum_encoder(x + 0.1 * torch.randn_like(x)), dim=1)
        positive = (q * k).sum(dim=1, keepdim=True)
        logits = torch.cat([positive, q @ queue.clone()], dim=1) / 0.07
        contrastive_loss = F.cross_entropy(logits, torch.zeros(len(x), dtype=torch.long))
        optimizer.zero_grad()
        contrastive_loss.backward()
        optimizer.step()
        with torch.no_grad():
            queue[:, head : head + 8] = k.T
            head = (head + 8) % 32
        contrastive_losses.append(contrastive_loss.item())

EXPECTED = [{"series": {"contrastive_loss": contrastive_losses}, "epochs": 2}]
