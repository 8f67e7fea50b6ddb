"""Provisioner jobs: their table and state machine, the queue, the workers, and the engines."""
