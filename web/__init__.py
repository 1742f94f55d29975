"""Delivery by HTTP: the portal API, its pages and the operations console. Nothing is served yet."""
