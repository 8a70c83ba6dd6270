"""What a release deploys: manifests as they are read, checked, changed and shown."""
