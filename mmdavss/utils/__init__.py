"""The ground floor: files, errors, checkpoints, processes and random numbers.

Every other part of the package may import these modules; they import nothing above them. This file
imports nothing, so that each module loads only its own dependencies.
"""
