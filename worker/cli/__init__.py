"""The command line `portal-sync`: it reads arguments, calls a use case, and prints the result as text or JSON.

One module per group of commands; what all of them share is in `exits`, `output` and `record`. No rule of the portal is here.
"""

from worker.cli.app import main

__all__ = ["main"]
