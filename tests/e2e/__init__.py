"""The portal as people use it: a browser, the pages, and everything behind them as real processes (`make e2e`).

Not part of `make test`: a browser is needed.
"""
