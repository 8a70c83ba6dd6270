"""What survives a killed driver, kept in the cluster: counts, record, expiry, lock, the last promote."""
