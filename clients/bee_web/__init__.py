"""The web page: the same machine, seen from a chair, over the services on the bus."""
