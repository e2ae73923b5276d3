"""A training is saved half-way and goes on from the file with new objects."""

import torch
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(32, 4), torch.randn(32, 1)


def made():
    model = nn.Linear(4, 1)
    return model, torch.optim.Adam(model.parameters(), lr=0.05)


def train(model, optimizer, steps):
    losses = []
    for _ in range(steps):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


model, optimizer = made()
first = train(model, optimizer, 20)
torch.save([model.state_dict(), optimizer.state_dict()], "half.pt")
model, optimizer = made()
for thing, state in zip((model, optimizer), torch.load("half.pt")):
    thing.load_state_dict(state)
second = train(model, optimizer, 20)

EXPECTED = [{"series": {"train/loss": first}}, {"series": {"train/loss": second}}]  # new objects: a new run
