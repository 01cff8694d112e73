"""The hooks that agents' programs call around their tools, one dialect a file."""
