"""A language model of letters, trained by backpropagation through time that is cut every eight letters."""

import math

import torch
from torch import nn

torch.manual_seed(0)
text = "the quick brown fox jumps over the lazy dog and runs away from it " * 3
letters = sorted(set(text))
coded = torch.tensor([letters.index(letter) for letter in text])
model = nn.ModuleDict({"embed": nn.Embedding(len(letters), 8), "rnn": nn.LSTM(8, 16), "out": nn.Linear(16, len(letters))})
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
losses = []
for epoch in range(1, 3):
    state, total = None, 0.0
    for at in range(0, len(coded) - 9, 8):
        x, y = coded[at : at + 8], coded[at + 1 : at + 9]
        if state is not None:
            state = tuple(s.detach() for s in state)
        hidden, state = model["rnn"](model["embed"](x).unsqueeze(1), state)
        loss = nn.functional.cross_entropy(model["out"](hidden.squeeze(1)), y)
        model.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
        losses.append(loss.item())
    print(f"epoch {epoch} perplexity {math.exp(total / 23):.2f}")

EXPECTED = [{"model": "ModuleDict", "series": {"train/loss": losses}}]
