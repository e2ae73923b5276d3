"""A GAN: discriminator and generator in turn, one optimizer each."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Generator(nn.Sequential):
    pass


class Discriminator(nn.Sequential):
    pass


G = Generator(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
D = Discriminator(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
g_opt = torch.optim.Adam(G.parameters(), lr=2e-3, betas=(0.5, 0.999))
d_opt = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.5, 0.999))
bce = nn.BCEWithLogitsLoss()
d_losses, g_losses = [], []
for _ in range(2):
    for (real,) in DataLoader(TensorDataset(torch.randn(40, 2)), batch_size=8, shuffle=True):
        fake = G(torch.randn(8, 4))
        d_loss = bce(D(real), torch.ones(8, 1)) + bce(D(fake.detach()), torch.zeros(8, 1))
        d_opt.zero_grad()
        d_loss.backward()
        d_opt.step()
        g_loss = bce(D(fake), torch.ones(8, 1))
        g_opt.zero_grad()
        g_loss.backward()
        g_opt.step()
        d_losses.append(d_loss.item())
        g_losses.append(g_loss.item())

EXPECTED = [{"series": {"d_loss": d_losses, "g_loss": g_losses}, "epochs": 2}]
