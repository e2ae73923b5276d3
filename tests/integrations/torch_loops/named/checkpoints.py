"""The best state, a whole module and a full checkpoint are saved; the best is loaded again at the end."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-2)
train_loader = DataLoader(TensorDataset(torch.randn(32, 4), torch.randn(32, 1)), batch_size=8)
valid_loader = DataLoader(TensorDataset(torch.randn(16, 4), torch.randn(16, 1)), batch_size=8)
best, losses, valid_losses, saved = float("inf"), [], [], []
for epoch in range(4):
    model.train()
    for x, y in train_loader:
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    valid_loss = 0.0
    with torch.no_grad():
        for x, y in valid_loader:
            valid_loss += nn.functional.mse_loss(model(x), y).item()
    valid_loss /= len(valid_loader)
    valid_losses.append(valid_loss)
    if valid_loss < best:
        best = valid_loss
        torch.save(model.state_dict(), "best.pt")
        saved.append(["best.pt", "state_dict", len(losses) - 1])
    torch.save({"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, f"epoch{epoch}.pt")
    saved.append([f"epoch{epoch}.pt", "checkpoint", len(losses) - 1])
torch.save(model, "whole.pt")
saved.append(["whole.pt", "module", len(losses) - 1])
model.load_state_dict(torch.load("best.pt"))

EXPECTED = [
    {
        "series": {"train/loss": losses, "val/loss": dict(zip([3, 7, 11, 15], valid_losses))},
        "epochs": 4,
        "checkpoints": saved,
    }
]
