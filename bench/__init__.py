"""Measured figures, as ratios to a goal or to a peer in the same run. Never a timed test."""
