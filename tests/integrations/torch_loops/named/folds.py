"""Cross-validation: a new model and optimizer for each fold, under the same names."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

torch.manual_seed(0)
dataset = TensorDataset(torch.randn(60, 4), torch.randint(0, 2, (60,)))
criterion = nn.CrossEntropyLoss()
losses = []
for fold in range(3):
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    kept = [i for i in range(60) if i % 3 != fold]
    losses.append([])
    for _ in range(2):
        for x, y in DataLoader(Subset(dataset, kept), batch_size=8):
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            losses[fold].append(loss.item())

EXPECTED = [{"series": {"train/loss": curve}, "epochs": 2} for curve in losses]
