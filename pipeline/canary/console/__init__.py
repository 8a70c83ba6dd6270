"""The console: web pages on which a person sees a release, and decides."""
