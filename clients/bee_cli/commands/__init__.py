"""One module per command, each with ``run(arguments) -> exit code``; loaded when the command is asked for."""
