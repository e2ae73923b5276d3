"""Data-parallel training by two processes over gloo."""

import os

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

PROCESS = "it starts processes of its own"


def work(rank, meeting):
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    torch.manual_seed(rank)
    model = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(8):
        loss = nn.functional.mse_loss(model(torch.randn(8, 4)), torch.randn(8, 1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    torch.save({"model": model.state_dict(), "losses": losses}, f"rank{rank}.pt")
    del model, optimizer, loss  # torch 2.13 may hang where the model dies after its process group
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(work, args=(os.path.abspath("meeting"),), nprocs=2)
    losses = torch.load("rank0.pt")["losses"]
    EXPECTED = [{"model": "Sequential", "series": {"train/loss": losses}}]
