"""Tests of the servers of the embedded shape, and of the servers that tests run on."""
