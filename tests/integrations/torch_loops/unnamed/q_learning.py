"""Deep Q-learning: a replay buffer that must first fill, a target network that is copied now and then."""

import random
from collections import deque

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
random.seed(0)
policy_net, target_net = (nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2)) for _ in range(2))
target_net.load_state_dict(policy_net.state_dict())
optimizer = torch.optim.AdamW(policy_net.parameters(), lr=1e-3, amsgrad=True)
memory, losses, played = deque(maxlen=100), [], 0


def optimize_model():
    if len(memory) < 16:
        return
    states, actions, rewards, following = (torch.stack(column) for column in zip(*random.sample(list(memory), 16)))
    chosen = policy_net(states).gather(1, actions)
    with torch.no_grad():
        wanted = rewards + 0.9 * target_net(following).max(1).values
    loss = F.smooth_l1_loss(chosen, wanted.unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy_net.parameters(), 100)
    optimizer.step()
    losses.append(loss.item())


for episode in range(6):
    state = torch.rand(3)
    for _ in range(7):
        with torch.no_grad():
            action = policy_net(state).argmax().view(1) if random.random() > 0.3 else torch.randint(0, 2, (1,))
        following = torch.rand(3)
        memory.append((state, action, torch.rand(()), following))
        state, played = following, played + 1
        optimize_model()
        if played % 10 == 0:
            target_net.load_state_dict(policy_net.state_dict())

EXPECTED = [{"model": "Sequential", "series": {"train/loss": losses}, "epochs": 0}]
