"""Plans, subscriptions, plan changes."""
