"""Tests of the use cases: no queue, jobs run in the order that a test says."""
