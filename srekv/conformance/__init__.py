"""How AWS behaves where an emulator is kinder: rules with sources, a layer that enforces them, cases that ask."""
