"""The fault matrix: programs that break something while imports are in flight, and judge what became of them.

`python -m tests.faults --quick` runs a short run of each, `make faults SEED=n` the long one (`docs/fault-matrix.md`).
"""
