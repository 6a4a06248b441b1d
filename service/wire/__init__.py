"""Arrays ↔ bytes, and nothing else: strict JSON and values in it, npy, safetensors, raw bytes. Imports nothing of ours."""
