"""The key-value service; it travels to the nodes in user data and imports nothing else from srekv."""
