"""A function that calls backward for one critic and for the other; one optimizer steps for both."""

import torch
from torch import nn

torch.manual_seed(0)
maker = nn.Linear(4, 4)
critics = nn.ModuleList([nn.Linear(4, 1), nn.Linear(4, 1)])
of_maker = torch.optim.SGD(maker.parameters(), lr=0.1)
of_critics = torch.optim.SGD(critics.parameters(), lr=0.1)
made, first, second = [], [], []


def judge(critic, real, fake):
    loss = ((critic(real) - 1).square().mean() + critic(fake.detach()).square().mean()) * 0.5
    loss.backward()
    return loss


def judge_first(real, fake):
    first.append(judge(critics[0], real, fake).item())


def judge_second(real, fake):
    second.append(judge(critics[1], real, fake).item())


for _ in range(5):
    real = torch.randn(8, 4)
    fake = maker(real)
    of_maker.zero_grad()
    maker_loss = sum((critic(fake) - 1).square().mean() for critic in critics)
    maker_loss.backward()
    of_maker.step()
    made.append(maker_loss.item())
    of_critics.zero_grad()
    judge_first(real, fake)
    judge_second(real, fake)
    of_critics.step()

EXPECTED = [{"series": {"maker_loss": made, "train/loss": first, "loss_2": second}}]
