"""How a release is made: flags, environment variables, canary.yml and defaults."""
