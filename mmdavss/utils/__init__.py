"""The ground floor: files, errors, checkpoints, processes and random numbers.

Every other part of the package may import these modules; they import nothing above them. Nothing is
imported here, so that a module brings only what it needs.
"""
