"""Imports, batches and jobs: claims, leases, ringing, pauses and leaders."""
