"""What the DAGs share. Nothing here imports webtext: the command is called, in an environment of its own."""
