"""The vocabulary of an integration; see docs/integrations.md for how one is written."""

from autotrack.guard import asked, guard, guarded
from autotrack.instrument.calls import Call
from autotrack.instrument.earlier import runs_tagged
from autotrack.instrument.fits import Fit, current_fit
from autotrack.instrument.integration import Integration, Observed
from autotrack.recording.endings import before_exit

__all__ = ["Call", "Fit", "Integration", "Observed", "asked", "before_exit", "current_fit", "guard", "guarded", "runs_tagged"]
