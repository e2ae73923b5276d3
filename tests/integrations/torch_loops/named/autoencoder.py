"""A variational autoencoder: the loss is a sum of two, kept in a dict."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(6, 4), nn.Linear(2, 6)

    def forward(self, x):
        mu, log_var = self.encoder(x).chunk(2, dim=1)
        z = mu + torch.randn_like(mu) * (0.5 * log_var).exp()
        return self.decoder(z), mu, log_var


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
elbo = []
for _ in range(2):
    for (x,) in DataLoader(TensorDataset(torch.randn(40, 6)), batch_size=8, shuffle=True):
        output, mu, log_var = model(x)
        out = {"reconstruction": F.mse_loss(output, x, reduction="sum"), "kl": -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()}
        out["total"] = out["reconstruction"] + out["kl"]
        optimizer.zero_grad()
        out["total"].backward()
        optimizer.step()
        elbo.append(out["total"].item())

EXPECTED = [{"model": "VAE", "series": {"total": elbo}, "epochs": 2}]
