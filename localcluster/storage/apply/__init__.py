"""Server-side apply: sets of fields, who owns them (managedFields), and applying."""
