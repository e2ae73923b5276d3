"""A policy gradient: no loader, a loss out of an episode."""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
policy = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
kept = []
for _ in range(8):
    log_probs, rewards = [], []
    for _ in range(5):
        choice = Categorical(logits=policy(torch.randn(2)))
        action = choice.sample()
        log_probs.append(choice.log_prob(action))
        rewards.append(float(action))
    policy_loss = []
    for log_prob in log_probs:
        policy_loss.append(-log_prob * (sum(rewards) - 2.5))
    optimizer.zero_grad()
    policy_loss = torch.stack(policy_loss).sum()
    policy_loss.backward()
    optimizer.step()
    kept.append(policy_loss.item())

EXPECTED = [{"series": {"policy_loss": kept}, "epochs": 0}]
