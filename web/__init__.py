"""Delivery by HTTP: the portal API under `/api/v1`. Here are requests and answers; the rules are in `handlers`."""
