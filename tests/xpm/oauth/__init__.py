"""Tests of OAuth at Xero: the protocol, the refresh, and the simulated server that both are tried against."""
