"""The local cloud: an embedded AWS on loopback with real processes, real health checkers and a real DNS server."""
