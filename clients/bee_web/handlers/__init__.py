"""What answers requests: each module names its addresses in ROUTES."""
