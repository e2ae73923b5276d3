"""A small convolutional network reads digits: a plain PyTorch loop with validation, a schedule and a checkpoint of the best."""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--lr", type=float, default=1e-2)
parser.add_argument("--batch-size", type=int, default=64)
args = parser.parse_args()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU())
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(32 * 4 * 4, 10))

    def forward(self, images):
        return self.head(self.features(images))


torch.manual_seed(0)
images, labels = load_digits(return_X_y=True)
digits = TensorDataset(torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16, torch.tensor(labels))
train_set, val_set, test_set = random_split(digits, [1197, 300, 300])
train_loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True)
val_loader, test_loader = DataLoader(val_set, batch_size=150), DataLoader(test_set, batch_size=150)

model = Net()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=args.lr, total_steps=args.epochs * len(train_loader))


def evaluate(loader):
    model.eval()
    total, right = 0.0, 0
    with torch.no_grad():
        for images, labels in loader:
            logits = model(images)
            total += criterion(logits, labels).item() * len(labels)
            right += (logits.argmax(1) == labels).sum().item()
    return total / len(loader.dataset), right / len(loader.dataset)


best = float("inf")
for epoch in range(args.epochs):
    model.train()
    for images, labels in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        scheduler.step()
    val_loss, accuracy = evaluate(val_loader)
    print(f"epoch {epoch}: loss {loss.item():.3f}, validation loss {val_loss:.3f}, accuracy {accuracy:.3f}")
    if val_loss < best:
        best = val_loss
        torch.save(model.state_dict(), "digits.pt")

model.load_state_dict(torch.load("digits.pt"))
print("test loss {:.3f}, accuracy {:.3f}".format(*evaluate(test_loader)))
