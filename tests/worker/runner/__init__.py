"""The runner: claim, fetch, apply, and what is left when any of them is cut off."""
