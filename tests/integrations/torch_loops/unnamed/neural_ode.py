"""A neural differential equation, its gradient by the adjoint method in a Function of its own."""

import torch
from torch import nn

torch.manual_seed(0)


class Odeint(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z0, field, steps, *params):
        z = z0
        with torch.no_grad():
            for _ in range(steps):
                z = z + field(z) / steps
        ctx.save_for_backward(z)
        ctx.field, ctx.steps, ctx.params = field, steps, params
        return z

    @staticmethod
    def backward(ctx, a):
        (z,) = ctx.saved_tensors
        grads = [torch.zeros_like(p) for p in ctx.params]
        for _ in range(ctx.steps):
            with torch.enable_grad():
                z = z.detach().requires_grad_()
                f = ctx.field(z)
                dz, *dp = torch.autograd.grad(f, (z, *ctx.params), a)
            z = z - f.detach() / ctx.steps
            a = a + dz / ctx.steps
            grads = [g + d / ctx.steps for g, d in zip(grads, dp)]
        return (a, None, None, *grads)


field = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
readout = nn.Linear(2, 1)
optimizer = torch.optim.Adam([*field.parameters(), *readout.parameters()], lr=1e-2)
x = torch.randn(32, 2)
y = (x.norm(dim=1, keepdim=True) < 1).float()
losses = []
for _ in range(18):
    loss = nn.functional.binary_cross_entropy_with_logits(readout(Odeint.apply(x, field, 6, *field.parameters())), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

EXPECTED = [{"series": {"train/loss": losses}, "epochs": 0}]
