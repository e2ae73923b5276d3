"""A model is used and saved; nothing is trained."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
model.eval()
loss = 0.0
with torch.inference_mode():
    for x, y in DataLoader(TensorDataset(torch.randn(20, 4), torch.randint(0, 2, (20,))), batch_size=5):
        loss += nn.functional.cross_entropy(model(x), y).item()
print(loss)
torch.save(model.state_dict(), "model.pt")

EXPECTED = []
