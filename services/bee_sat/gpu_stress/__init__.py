"""bee-gpu-stress: a GPU load that checks its own arithmetic."""
