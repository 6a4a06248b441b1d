"""Who asks: API keys and the tenants that they belong to."""
