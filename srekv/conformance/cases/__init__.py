"""Questions to AWS whose answers are recorded: asked of a real account, or of an emulator with the layer in front."""
