"""Plain PyTorch loops, unchanged: losses under their own names, validation, epochs, learning rates, model, optimizer, checkpoints.

A loop has no entry point, but it calls ``backward`` and steps an optimizer (``hearing``), iterates loaders (``loaders``), evaluates
losses (``evaluation``), saves (``checkpoints``). ``rules`` says which of that is one training; ``loops`` is what a training is told.
A framework's loop (Lightning, Transformers, …) opens a fit of its own; inside it all of this is silent.
"""

from autotrack.integrations.torch import builds, by_hand, checkpoints, evaluation, gradients, hearing, loaders, models, reports
from autotrack.integrations.torch.declaration import RECORDS, integration

__all__ = ["RECORDS", "builds", "by_hand", "checkpoints", "evaluation", "gradients", "hearing", "integration", "loaders", "models", "reports"]
