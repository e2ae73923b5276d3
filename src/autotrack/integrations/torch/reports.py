"""What a loop reports to TensorBoard by torch's own ``SummaryWriter``."""

from autotrack.instrument.reports import watch_writer
from autotrack.integrations.torch.declaration import integration

watch_writer(integration, "torch.utils.tensorboard.writer:SummaryWriter")
