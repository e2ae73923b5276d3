"""Advantage actor-critic with two heads, one optimizer, episodes of different lengths."""

import random

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
random.seed(0)


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(3, 16)
        self.actor = nn.Linear(16, 2)
        self.critic = nn.Linear(16, 1)

    def forward(self, x):
        x = torch.relu(self.body(x))
        return Categorical(logits=self.actor(x)), self.critic(x).squeeze(-1)


class Agent:
    def __init__(self):
        self.policy = Policy()
        self.optimizer = torch.optim.RMSprop(self.policy.parameters(), lr=1e-2)
        self.total_losses = []

    def play(self):
        state, told = torch.zeros(3), []
        for _ in range(random.randint(3, 9)):
            policy, value = self.policy(state)
            action = policy.sample()
            state = torch.tensor([random.random(), float(action), state[0].item()])
            told.append((policy.log_prob(action), value, policy.entropy(), random.random() - float(action)))
        return told

    def learn(self, told):
        worth, returns = 0.0, []
        for *_, reward in reversed(told):
            worth = reward + 0.9 * worth
            returns.insert(0, worth)
        log_probs, values, entropies = (torch.stack(column) for column in list(zip(*told))[:3])
        advantage = torch.tensor(returns) - values
        policy_loss = -(log_probs * advantage.detach()).mean()
        value_loss = advantage.square().mean()
        total_loss = policy_loss + 0.5 * value_loss - 0.01 * entropies.mean()
        self.optimizer.zero_grad()
        total_loss.backward()
        nn.utils.clip_grad_norm_(self.policy.parameters(), 0.5)
        self.optimizer.step()
        self.total_losses.append(total_loss.item())


agent = Agent()
for episode in range(20):
    agent.learn(agent.play())
    if episode % 5 == 4:
        print("episode", episode, "loss", round(agent.total_losses[-1], 6))

EXPECTED = [{"model": "Policy", "series": {"total_loss": agent.total_losses}, "epochs": 0}]
