"""Objects: kinds, storage, defaults, validation, patches and the ownership of fields."""
