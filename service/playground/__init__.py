"""The playground: one page that talks to the public API like any other client. Plain ES modules, no build step, nothing from elsewhere.

``page/`` is ours, ``vendor/`` came from its makers (VENDORED.md says what, which version, under which licence, with which checksum).
"""
