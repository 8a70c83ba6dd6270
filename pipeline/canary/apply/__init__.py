"""Writes manifests over what is in the cluster: field ownership, dry runs, writes."""
