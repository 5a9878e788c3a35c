"""The load client and observers. They travel to a vantage point in the VPC: standard library only, Python 3.8+."""

KINDS = ("no-cache", "honor-ttl", "keep-alive", "cache-forever", "cache-10s", "retry")
"""The kinds of clients; srekv.probe.names says what each does."""
