"""Will it fail over? Facts are gathered by reading calls, findings follow from the facts alone."""
