"""Updates by hand in functions, one model after another, with clipping, an evaluation after each epoch, and an optimizer at the end."""

import torch
from torch import nn
from torch.nn import functional as F

PROCESS = "an update by hand is told only while no optimizer was ever built in the process"
torch.manual_seed(0)
x, y = torch.randn(40, 3), torch.randint(0, 2, (40,))
told = []


def train_by_hand():
    model = nn.Linear(3, 2)
    losses, norms, evaluated = [], [], {}
    for _ in range(3):
        model.train()
        for batch in x.split(10), x.split(20):
            loss = F.cross_entropy(model(batch[0]), y[: len(batch[0])])
            loss.backward()
            norms.append(nn.utils.clip_grad_norm_(model.parameters(), 0.5).item())
            with torch.no_grad():
                for weight in model.parameters():
                    weight -= 0.1 * weight.grad
                    weight.grad = None
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            val_loss = F.cross_entropy(model(x), y).item()
        evaluated[len(losses) - 1] = val_loss
    told.append({"series": {"train/loss": losses, "val/loss": evaluated}, "besides": ["grad_norm"], "grad_norm": norms, "by_hand": True})
    return model


train_by_hand()
kept = train_by_hand()
other = torch.zeros(3, requires_grad=True)
for _ in range(3):  # as long as the weights of the one before are there, another is not told
    (x @ other).pow(2).mean().add(1).backward()
    nn.utils.clip_grad_norm_([other], 1.0)
    with torch.no_grad():
        other += 0.1

model = nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
losses = []
for _ in range(4):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

EXPECTED = [*told, {"series": {"train/loss": losses}, "lr": [0.1] * 4}]
