"""Arrays ↔ bytes, and nothing else: strict JSON, values in JSON. Imports nothing of ours."""
