"""Pages of organisations, under /organisation/."""
