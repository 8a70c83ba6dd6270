"""Controllers: they make the cluster match what objects ask for. The scheduler is one of them."""
