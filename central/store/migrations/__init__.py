"""The schema's history: Alembic runs `env` and the scripts in `versions`, in their order."""
