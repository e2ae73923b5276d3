"""An ensemble of three, trained side by side on each batch."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
ensemble = [nn.Linear(4, 2) for _ in range(3)]
optimizers = [torch.optim.SGD(member.parameters(), lr=0.1) for member in ensemble]
losses = [[], [], []]
for _ in range(2):
    for x, y in DataLoader(TensorDataset(torch.randn(40, 4), torch.randint(0, 2, (40,))), batch_size=8):
        for i, (member, optimizer) in enumerate(zip(ensemble, optimizers)):
            loss = nn.functional.cross_entropy(member(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[i].append(loss.item())

EXPECTED = [{"series": {"train/loss": losses[0], "loss_2": losses[1], "loss_3": losses[2]}, "epochs": 2}]
