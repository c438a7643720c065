"""Screens: widgets made of what their models say. They know nothing of D-Bus."""
