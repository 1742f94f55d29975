"""Tests of connecting XPM and of staying connected: consent, tokens, the failure matrix, and the way out."""
