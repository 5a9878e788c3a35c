"""Verdicts over a recorded history: lost writes, timing, linearizability."""
