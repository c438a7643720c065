"""The menu: bee on an 80×24 console, by the keyboard, over the services on the bus."""
