"""Acceptance runs: org.bee.Sat1, and bee-gpu-stress."""
