"""The hardware audit behind org.bee.Audit1."""
