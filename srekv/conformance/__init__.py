"""How AWS behaves where an emulator is kinder: rules with ids and sources, a layer that enforces them, cases that ask."""
