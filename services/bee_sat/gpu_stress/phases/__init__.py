"""The phases: what is loaded, and how its results are compared."""
