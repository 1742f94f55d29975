"""Imports, batches and jobs: claims, leases, rings, pauses and leaders."""
