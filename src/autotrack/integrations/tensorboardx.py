"""tensorboardX: what a program reports by its ``SummaryWriter``."""

from __future__ import annotations

from autotrack.instrument import Integration
from autotrack.instrument.reports import watch_writer

integration = Integration("tensorboardX", requires="tensorboardX>=2.5")

RECORDS: list[tuple[str, str, str]] = [
    ("SummaryWriter", "what it is given, under its names and at its steps; hparams.* of add_hparams", "add_scalar, add_scalars, add_hparams"),
]

watch_writer(integration, "tensorboardX.writer:SummaryWriter")
