"""The simulated Xero identity server: consent, tokens, grants and access."""
