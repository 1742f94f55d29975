"""The portal over HTTP: the API under `/api/v1` and the pages for staff. The rules are in `handlers`."""
