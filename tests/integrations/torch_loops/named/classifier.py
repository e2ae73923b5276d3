"""The most common script there is: epochs, validation in line, a test at the end."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.drop = nn.Dropout(0.2)
        self.fc2 = nn.Linear(16, 3)

    def forward(self, x):
        return self.fc2(self.drop(torch.relu(self.fc1(x))))


def made(n):
    return TensorDataset(torch.randn(n, 8), torch.randint(0, 3, (n,)))


train_loader = DataLoader(made(64), batch_size=16, shuffle=True)
val_loader = DataLoader(made(24), batch_size=16)
test_loader = DataLoader(made(20), batch_size=16)
model = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
losses, val_losses = [], []
for epoch in range(3):
    model.train()
    for inputs, targets in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    val_loss, right = 0.0, 0
    with torch.no_grad():
        for inputs, targets in val_loader:
            outputs = model(inputs)
            val_loss += criterion(outputs, targets).item() * len(targets)
            right += (outputs.argmax(1) == targets).sum().item()
    val_losses.append(val_loss / len(val_loader.dataset))
    print(f"epoch {epoch}: val loss {val_losses[-1]:.4f}, accuracy {right / 24:.2f}")

test_loss = 0.0
with torch.no_grad():
    for inputs, targets in test_loader:
        test_loss += criterion(model(inputs), targets).item() * len(targets)
test_loss /= len(test_loader.dataset)
print(f"test loss {test_loss:.4f}")

EXPECTED = [
    {
        "model": "Net",
        "series": {"train/loss": losses, "val/loss": dict(zip([3, 7, 11], val_losses)), "test/loss": {11: test_loss}},
        "epochs": 3,
        "params": {"model.parameters": 8 * 16 + 16 + 16 * 3 + 3, "optimizer": "Adam", "optimizer.lr": 1e-2, "optimizer.betas": [0.9, 0.999]},
        "data": {"batch_size": 16, "samples": 64, "workers": 0},
    }
]
