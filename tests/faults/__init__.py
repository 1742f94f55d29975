"""The fault matrix: programs that break something while imports are in flight, and check what happened to them.

`python -m tests.faults --quick` is the short run, `make faults SEED=n` the long one (`docs/fault-matrix.md`).
"""
