"""The story of a release: deploy, watch, promote, reject, roll back."""
