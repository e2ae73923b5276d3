"""A denoising diffusion model in two dimensions, with an averaged copy that draws samples at the end."""

import copy

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
T = 10
beta = torch.linspace(1e-3, 0.2, T)
alpha_bar = torch.cumprod(1 - beta, 0)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Embedding(T, 8)
        self.net = nn.Sequential(nn.Linear(10, 32), nn.SiLU(), nn.Linear(32, 2))

    def forward(self, x, t):
        return self.net(torch.cat([x, self.time(t)], dim=1))


model = Denoiser()
ema = copy.deepcopy(model).requires_grad_(False)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
loader = DataLoader(TensorDataset(torch.randn(64, 2)), batch_size=16, shuffle=True)
losses = []
for epoch in range(3):
    for (x,) in loader:
        t = torch.randint(0, T, (len(x),))
        noise = torch.randn_like(x)
        noisy = alpha_bar[t, None].sqrt() * x + (1 - alpha_bar[t, None]).sqrt() * noise
        loss = nn.functional.mse_loss(model(noisy, t), noise)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for averaged, p in zip(ema.parameters(), model.parameters()):
                averaged.lerp_(p, 0.05)
        losses.append(loss.item())
    print(f"epoch {epoch}: {sum(losses[-4:]) / 4:.4f}")

with torch.no_grad():
    x = torch.randn(16, 2)
    for t in reversed(range(T)):
        x = (x - beta[t] / (1 - alpha_bar[t]).sqrt() * ema(x, torch.full((16,), t))) / (1 - beta[t]).sqrt()
        if t:
            x = x + beta[t].sqrt() * torch.randn_like(x)

EXPECTED = [{"model": "Denoiser", "series": {"train/loss": losses}, "epochs": 3}]
