"""A private bus to test on, a small service to put there, and polkits that misbehave."""
