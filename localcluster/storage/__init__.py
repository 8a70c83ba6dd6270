"""Where objects are kept: the store, and what is done to them on the way in (defaults, validation, patches)."""
