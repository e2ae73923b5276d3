"""A Wasserstein GAN with gradient penalty: three updates of the critic for one of the generator."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Generator(nn.Sequential):
    pass


class Critic(nn.Sequential):
    pass


generator = Generator(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
critic = Critic(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
optimizer_G = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.9))
optimizer_D = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.9))
loader = DataLoader(TensorDataset(torch.randn(96, 2)), batch_size=8, shuffle=True)
d_losses, g_losses = [], []
for epoch in range(2):
    for i, (real,) in enumerate(loader):
        optimizer_D.zero_grad()
        fake = generator(torch.randn(len(real), 4)).detach()
        mix = torch.rand(len(real), 1)
        between = (mix * real + (1 - mix) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
        d_loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
        d_loss.backward()
        optimizer_D.step()
        d_losses.append(d_loss.item())
        if i % 3 == 2:
            optimizer_G.zero_grad()
            g_loss = -critic(generator(torch.randn(len(real), 4))).mean()
            g_loss.backward()
            optimizer_G.step()
            g_losses.append(g_loss.item())

# The critic's updates are the steps; the generator's are at the step that they follow.
EXPECTED = [{"series": {"d_loss": d_losses, "g_loss": {3 * i + 2: value for i, value in enumerate(g_losses)}}, "epochs": 2}]
