"""A new optimizer for each epoch (old tutorials lower the rate so)."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
model = nn.Linear(5, 2)
loader = DataLoader(TensorDataset(torch.randn(32, 5), torch.randint(0, 2, (32,))), batch_size=8)
losses = []
for epoch in range(4):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1 * 0.5**epoch)
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

EXPECTED = [{"series": {"train/loss": losses}, "epochs": 4, "lr": [0.1 * 0.5 ** (i // 4) for i in range(16)]}]
