"""`status --watch`: looking at a stack all the time, what has changed between two looks, and how it is drawn."""
