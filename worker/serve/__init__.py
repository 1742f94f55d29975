"""A portal to be looked at: the embedded shape with its pages, around made-up practices whose staff can sign in.

`seed` puts the practices there, `telling` says where everything is and what mail arrives, `run` does it until told to stop.
"""
