"""autotrack."""
