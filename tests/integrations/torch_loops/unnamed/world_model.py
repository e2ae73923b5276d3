"""A world model with three optimizers (after Dreamer): it learns from replay, actor and critic from what it imagines."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)


class World(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(4, 8)
        self.dynamics = nn.GRUCell(2, 8)
        self.decoder = nn.Linear(8, 4)
        self.reward = nn.Linear(8, 1)


world = World()
actor = nn.Sequential(nn.Linear(8, 16), nn.ELU(), nn.Linear(16, 2), nn.Tanh())
critic = nn.Sequential(nn.Linear(8, 16), nn.ELU(), nn.Linear(16, 1))
model_optimizer = torch.optim.Adam(world.parameters(), lr=1e-3)
actor_optimizer = torch.optim.Adam(actor.parameters(), lr=3e-4)
value_optimizer = torch.optim.Adam(critic.parameters(), lr=3e-4)
replay = {"seen": torch.randn(64, 6, 4), "done": torch.randn(64, 6, 2), "paid": torch.randn(64, 6)}
model_losses, actor_losses, value_losses = [], [], []

for _ in range(20):
    rows = torch.randint(0, 64, (8,))
    seen, done, paid = (replay[name][rows] for name in ("seen", "done", "paid"))
    state = world.encoder(seen[:, 0])
    states, model_loss = [], 0.0
    for t in range(5):
        state = world.dynamics(done[:, t], state)
        states.append(state.detach())
        model_loss = model_loss + F.mse_loss(world.decoder(state), seen[:, t + 1]) + F.mse_loss(world.reward(state).squeeze(-1), paid[:, t])
    model_optimizer.zero_grad()
    model_loss.backward()
    nn.utils.clip_grad_norm_(world.parameters(), 100.0)
    model_optimizer.step()
    model_losses.append(model_loss.item())

    state, dreamt, rewards = torch.cat(states), [], []
    for _ in range(4):
        state = world.dynamics(actor(state), state)
        dreamt.append(state)
        rewards.append(world.reward(state).squeeze(-1))
    worth = critic(dreamt[-1]).squeeze(-1)
    for reward in reversed(rewards):
        worth = reward + 0.95 * worth
    actor_loss = -worth.mean()
    actor_optimizer.zero_grad()
    actor_loss.backward()
    actor_optimizer.step()
    actor_losses.append(actor_loss.item())

    value_loss = F.mse_loss(critic(torch.cat(states)).squeeze(-1), worth.detach())
    value_optimizer.zero_grad()
    value_loss.backward()
    value_optimizer.step()
    value_losses.append(value_loss.item())

EXPECTED = [{"series": {"model_loss": model_losses, "actor_loss": actor_losses, "value_loss": value_losses}, "epochs": 0}]
