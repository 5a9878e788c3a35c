"""Presentation of a verdict."""
