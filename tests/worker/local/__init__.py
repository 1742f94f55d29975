"""Tests of the servers of the local system, and of the servers that tests run on."""
