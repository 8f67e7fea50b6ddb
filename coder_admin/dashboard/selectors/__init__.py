"""What pages read: querysets of the rooms below, restricted to the viewer and loaded for one template."""
