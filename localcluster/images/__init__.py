"""Images: snapshots of build contexts, run by what their Dockerfiles say."""
