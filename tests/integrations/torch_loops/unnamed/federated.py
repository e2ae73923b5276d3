"""Federated averaging: each round, clients train copies of the global model on their own data, and these are averaged."""

import copy

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
clients = [DataLoader(TensorDataset(torch.randn(24, 4), torch.randint(0, 2, (24,))), batch_size=8, shuffle=True) for _ in range(3)]
losses = []


def train(local, loader):
    optimizer = torch.optim.SGD(local.parameters(), lr=0.1)
    for x, y in loader:
        loss = nn.functional.cross_entropy(local(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return local.state_dict()


for number in range(4):
    states = [train(copy.deepcopy(model), loader) for loader in clients]
    model.load_state_dict({name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]})
    print(f"round {number}: {sum(losses[-9:]) / 9:.4f}")

EXPECTED = [{"model": "Sequential", "series": {"train/loss": losses}}]  # one training, however many copies it takes
# Each local training has a model and an optimizer of its own, and shares nothing that could be seen.
CAME_OUT = [{"series": {"train/loss": losses[i : i + 3]}, "epochs": 1} for i in range(0, len(losses), 3)]
