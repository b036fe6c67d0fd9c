"""What runs in a container of the cluster, around the executor of a node."""
