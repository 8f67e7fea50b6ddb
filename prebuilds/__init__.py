"""Prebuilt workspaces: pools, schedules, reconciliation and claims."""
