"""A GAN draws digits: two networks, two optimizers, two losses in one loop."""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Generator(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid())


class Discriminator(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(64, 1))


torch.manual_seed(0)
images = torch.tensor(load_digits().data, dtype=torch.float32) / 16
loader = DataLoader(TensorDataset(images), batch_size=64, shuffle=True, drop_last=True)
generator, discriminator = Generator(), Discriminator()
g_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.999))
d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.999))
criterion = nn.BCEWithLogitsLoss()
real, fake = torch.full((64, 1), 0.9), torch.zeros(64, 1)

for epoch in range(12):
    for (batch,) in loader:
        drawn = generator(torch.randn(64, 16))
        d_loss = criterion(discriminator(batch), real) + criterion(discriminator(drawn.detach()), fake)
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()

        g_loss = criterion(discriminator(drawn), real)
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()
    print(f"epoch {epoch}: d_loss {d_loss.item():.3f}, g_loss {g_loss.item():.3f}")

with torch.no_grad():
    digit = generator(torch.randn(1, 16)).view(8, 8)
print("\n".join("".join(" .:*#"[int(value * 4.99)] for value in row) for row in digit))
