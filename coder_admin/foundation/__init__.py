"""What every room stands on: errors, events after commit, leases, site settings. Knows no room."""
