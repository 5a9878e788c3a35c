"""The commands: each has its options and its work in the module of its name."""
