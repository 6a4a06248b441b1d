"""The guide at ``/guide``: its pages as Markdown (``pages/``), read by a small renderer; what can be generated is never written there."""
