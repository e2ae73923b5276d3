"""A moving average of the weights, by deepcopy; it is the average that is evaluated."""

import copy

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Net(nn.Sequential):
    pass


model = Net(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
ema_model = copy.deepcopy(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
train_loader = DataLoader(TensorDataset(torch.randn(32, 5), torch.randint(0, 2, (32,))), batch_size=8, shuffle=True)
val_loader = DataLoader(TensorDataset(torch.randn(12, 5), torch.randint(0, 2, (12,))), batch_size=8)
criterion = nn.CrossEntropyLoss()
losses, val_losses = [], []
for _ in range(3):
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        with torch.no_grad():
            for e, p in zip(ema_model.state_dict().values(), model.state_dict().values()):
                e.copy_(0.9 * e + 0.1 * p if e.is_floating_point() else p)
    ema_model.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in val_loader:
            total += criterion(ema_model(x), y).item() * len(y)
    val_losses.append(total / 12)

EXPECTED = [{"model": "Net", "series": {"train/loss": losses, "val/loss": dict(zip([3, 7, 11], val_losses))}, "epochs": 3}]
