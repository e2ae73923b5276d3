"""A loader with worker processes that draw random numbers of their own."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)


class Noisy(Dataset):
    def __len__(self):
        return 24

    def __getitem__(self, i):
        return torch.randn(3) + i / 24, torch.tensor(i % 2)


model = nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(Noisy(), batch_size=4, shuffle=True, num_workers=2)
losses = []
for _ in range(2):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

EXPECTED = [{"series": {"train/loss": losses}, "epochs": 2, "data": {"batch_size": 4, "samples": 24, "workers": 2}}]
