"""The demo: the embedded shape as real processes, a made-up practice imported through them, and what came of it.

`seed` puts the practice there, `figures` counts, `report` tells, `run` does all of it in order.
"""
