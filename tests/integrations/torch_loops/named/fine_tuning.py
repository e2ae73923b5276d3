"""The head first, with the body frozen; then all of it, with another optimizer and a smaller rate."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
body, head = nn.Sequential(nn.Linear(6, 16), nn.ReLU()), nn.Linear(16, 3)
model = nn.Sequential(body, head)
loader = DataLoader(TensorDataset(torch.randn(40, 6), torch.randint(0, 3, (40,))), batch_size=8)
losses = []


def train(optimizer, epochs):
    for _ in range(epochs):
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())


body.requires_grad_(False)
train(torch.optim.Adam(head.parameters(), lr=1e-2), 2)
body.requires_grad_(True)
train(torch.optim.Adam(model.parameters(), lr=1e-4), 2)

EXPECTED = [{"series": {"train/loss": losses}, "epochs": 4, "lr": [1e-2] * 10 + [1e-4] * 10}]
