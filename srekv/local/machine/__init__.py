"""An emulated EC2 instance: what runs inside one machine. Standard library and yaml only, because it must boot fast."""
