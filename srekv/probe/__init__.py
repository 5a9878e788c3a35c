"""The load client and observers. They travel to a vantage point in the VPC: standard library only, Python 3.8+."""

KINDS = ("every-time", "ttl", "keep-alive", "for-ever", "ten-seconds", "retry")
"""The kinds of clients; srekv.probe.names says what each does."""
