"""What a person sees: the screen, styled text, options, help and exit codes."""
