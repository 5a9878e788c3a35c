"""The load client and observers; they travel to a vantage point: standard library only, Python 3.8 and later."""
