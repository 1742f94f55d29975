"""The benchmarks run, in small: their figures mean nothing here, what was done does."""
