"""Makes the user data of a node: the service, its pinned packages and its unit."""
