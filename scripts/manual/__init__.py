"""The manual's commands: found in its pages, run as a reader would."""
