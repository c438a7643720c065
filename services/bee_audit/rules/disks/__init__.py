"""What is wrong with a disk: one module per kind of evidence."""
