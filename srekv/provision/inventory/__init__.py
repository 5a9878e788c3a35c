"""Lists what exists: of a stack while it is provisioned, and of every stack for the proof, the sweep and the price."""
