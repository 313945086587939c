"""The ground floor: what everything may use and what uses nothing of the package."""
