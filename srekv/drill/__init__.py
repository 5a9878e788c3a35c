"""Drills: the model of a failover test, and the runner that carries one out through the hands it is given."""
