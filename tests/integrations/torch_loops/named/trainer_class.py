"""A trainer class of the user's own: the loss is an attribute, the rate follows the validation, training stops early."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Trainer:
    def __init__(self, model, train_loader, valid_loader):
        self.model, self.train_loader, self.valid_loader = model, train_loader, valid_loader
        self.optimizer = torch.optim.NAdam(model.parameters(), lr=0.05)
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(self.optimizer, factor=0.1, patience=0)
        self.criterion = nn.HuberLoss()
        self.losses, self.valid, self.rates = [], [], []

    def fit(self, epochs, patience=3):
        best, bad = float("inf"), 0
        for epoch in range(epochs):
            self.run_epoch()
            valid_loss = self.validate()
            self.valid.append(valid_loss)
            self.scheduler.step(valid_loss)
            best, bad = (valid_loss, 0) if valid_loss < best else (best, bad + 1)
            print(f"{epoch}: {valid_loss:.4f}")
            if bad == patience:
                break

    def run_epoch(self):
        self.model.train()
        for x, y in self.train_loader:
            self.optimizer.zero_grad()
            self.loss = self.criterion(self.model(x), y)
            self.loss.backward()
            self.rates.append(self.optimizer.param_groups[0]["lr"])
            self.optimizer.step()
            self.losses.append(self.loss.item())

    @torch.no_grad()
    def validate(self):
        self.model.eval()
        total = 0.0
        for x, y in self.valid_loader:
            total += self.criterion(self.model(x), y).item() * x.size(0)
        return total / len(self.valid_loader.dataset)


torch.manual_seed(0)
loaders = [DataLoader(TensorDataset(torch.randn(n, 4), torch.randn(n, 1)), batch_size=8, shuffle=n > 20) for n in (32, 12)]
trainer = Trainer(nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1)), *loaders)
trainer.fit(8)

EXPECTED = [
    {
        "series": {"train/loss": trainer.losses, "val/loss": {4 * i + 3: value for i, value in enumerate(trainer.valid)}},
        "epochs": len(trainer.valid),
        "lr": trainer.rates,
        "scheduler": "ReduceLROnPlateau",
    }
]
