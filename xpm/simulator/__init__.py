"""A simulator of Xero Practice Manager: made-up practices behind XPM's own paths, formats, limits and faults.

`running` serves one for a test, `run` for a command line; `build_practice` makes the data alone.
"""

from xpm.simulator.practice.build import build_practice
from xpm.simulator.serve import SimulatorConfig, SimulatorHandle, TenantSpec, run, running

__all__ = ["SimulatorConfig", "SimulatorHandle", "TenantSpec", "build_practice", "run", "running"]
