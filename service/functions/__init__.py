"""Served functions: a program with typed inputs and outputs, kept under a name and a version, evaluated and differentiated on request.

``definition`` is what is stored, ``program`` what runs, ``evaluator`` the seam behind which a faster backend may stand, ``manager`` the
door.
"""
