"""Stands in for pip inside a machine."""
