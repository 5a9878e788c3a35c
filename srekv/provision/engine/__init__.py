"""Runs the steps: the scheduler, retries and waits, the clients, and what errors of AWS mean."""
