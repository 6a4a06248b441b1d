"""Where logs are kept: records as bytes, and a file for each kind of store."""
