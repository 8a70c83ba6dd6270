"""The storage of objects: the store, and what happens before it (defaults, validation, patches, field ownership)."""
