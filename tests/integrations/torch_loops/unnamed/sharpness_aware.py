"""Sharpness-aware minimization: a gradient, a step uphill, a second gradient, and the step proper."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class SAM(torch.optim.Optimizer):
    def __init__(self, params, base, rho=0.05, **kwargs):
        super().__init__(params, {"rho": rho, **kwargs})
        self.base = base(self.param_groups, **kwargs)
        self.param_groups = self.base.param_groups

    @torch.no_grad()
    def uphill(self):
        params = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.stack([p.grad.norm() for p in params]).norm()
        for p in params:
            self.state[p]["before"] = p.clone()
            p.add_(p.grad * self.param_groups[0]["rho"] / (norm + 1e-12))

    @torch.no_grad()
    def downhill(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.copy_(self.state[p]["before"])
        self.base.step()


model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 3))
criterion = nn.CrossEntropyLoss()
optimizer = SAM(model.parameters(), torch.optim.SGD, lr=0.1, momentum=0.9)
loader = DataLoader(TensorDataset(torch.randn(40, 5), torch.randint(0, 3, (40,))), batch_size=8, shuffle=True)
losses, uphill_losses = [], []
for _ in range(3):
    for x, y in loader:
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.uphill()
        optimizer.zero_grad()
        uphill_loss = criterion(model(x), y)
        uphill_loss.backward()
        optimizer.downhill()
        optimizer.zero_grad()
        losses.append(loss.item())
        uphill_losses.append(uphill_loss.item())

EXPECTED = [{"series": {"train/loss": losses, "uphill_loss": uphill_losses}, "epochs": 3}]
# The first loss has fed no optimizer: its gradients were thrown away before the step.
CAME_OUT = [{"series": {"uphill_loss": uphill_losses}, "epochs": 3}]
