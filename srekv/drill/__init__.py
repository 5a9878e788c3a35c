"""Drills: the model of a failover test, and the runner that carries one out on the fault target it is given."""
