"""The version of bee: one place, read by the programs, the snapshot and the package's build."""

VERSION = "0.1.0"
