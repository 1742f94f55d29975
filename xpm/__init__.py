"""The upstream: everything that knows how Xero Practice Manager (XPM) talks, and a simulator that talks the same."""
