"""The tools of acceptance runs, as scripts that can be told to misbehave.

As strict as the real ones: a command line that the real tool would not take is refused in its words, and what
it prints is what the real one prints. Standard library only, and run from a copy that everybody may read: the
service runs loads as a user without rights.
"""
