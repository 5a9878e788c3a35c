"""The service as nodes get it, made from srekv/app; run from a tree only, srekv carries the result."""
