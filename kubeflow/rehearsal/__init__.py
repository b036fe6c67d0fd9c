"""A compiled pipeline run on this machine, as the cluster would run it: each task's own command."""
