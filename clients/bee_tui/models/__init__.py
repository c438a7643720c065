"""View models: what a screen shows, kept up to date over the bus. They know nothing of urwid."""
