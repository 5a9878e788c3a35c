"""Provision a highly available key-value service, make it fail, and measure the failover."""

__version__ = "0.1.0"
