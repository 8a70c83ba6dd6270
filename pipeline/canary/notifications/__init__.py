"""Notifications: a listener tells other systems what happens in a release, and never holds it up."""
