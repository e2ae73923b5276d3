"""Two threads train one shared model, each with its own optimizer; they take turns, so that the result is always the same."""

import threading

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
x, y = torch.randn(40, 4), torch.randn(40, 1)
losses, turn = [], threading.Condition()


def work(me):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for i in range(20):
        with turn:
            turn.wait_for(lambda: len(losses) == 2 * i + me)
            rows = slice(20 * me, 20 * me + 20)
            loss = nn.functional.mse_loss(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            turn.notify_all()


threads = [threading.Thread(target=work, args=(me,)) for me in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()

EXPECTED = [{"model": "Linear", "series": {"train/loss": losses}}]  # one model, one training
