"""Provisioning: one step per section of the lab, an engine that runs them, and the fault target of drills."""
