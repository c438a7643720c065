"""bee: the command line. It holds no privilege and no knowledge of hardware: it asks the bus and shows."""
