"""Training, validation and test in functions (after PyTorch's own tutorials)."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(dataloader, model, loss_fn, optimizer, losses):
    model.train()
    for X, y in dataloader:
        pred = model(X)
        loss = loss_fn(pred, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())


def evaluate(dataloader, model, loss_fn):
    model.eval()
    total = 0.0
    with torch.no_grad():
        for X, y in dataloader:
            total += loss_fn(model(X), y).item()
    return total / len(dataloader)


def main():
    torch.manual_seed(0)
    train_dataloader, val_dataloader, test_dataloader = (
        DataLoader(TensorDataset(torch.randn(n, 6), torch.randn(n, 1)), batch_size=8) for n in (40, 16, 24)
    )
    model = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
    losses, valid = [], []
    for _ in range(2):
        train(train_dataloader, model, loss_fn, optimizer, losses)
        val_loss = evaluate(val_dataloader, model, loss_fn)
        valid.append(val_loss)
        print(f"val_loss {val_loss:.5f}")
    test_loss = evaluate(test_dataloader, model, loss_fn)
    print(f"test_loss {test_loss:.5f}")
    return model, losses, valid, test_loss


model, losses, valid, test_loss = main()

EXPECTED = [{"series": {"train/loss": losses, "val/loss": {4: valid[0], 9: valid[1]}, "test/loss": {9: test_loss}}, "epochs": 2}]
