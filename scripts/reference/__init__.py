"""The manual's reference pages, written from the code that they describe."""
