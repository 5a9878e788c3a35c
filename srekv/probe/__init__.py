"""The load client and observers. They travel to a vantage point in the VPC: standard library only, Python 3.8+."""
