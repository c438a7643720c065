"""What pages show: plain functions from what the services know to what a template writes down."""
