"""An adversarial attack: gradients of the input, not a training."""

import torch
from torch import nn

PROCESS = "as an update by hand"
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).eval()
x, y = torch.randn(10, 4), torch.randint(0, 2, (10,))
for _ in range(10):
    x = x.detach().requires_grad_()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    x = x + 0.1 * x.grad.sign()
print(f"{loss.item():.4f}")

EXPECTED = []
