"""What goes over the wire, one file per route file: models for the OpenAPI document, examples that a test sends, fields of bodies.

Bodies are read raw and checked by hand (no value passes a per-element validator), so the models describe and do not parse.
"""
