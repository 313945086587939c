"""Console commands: ``mmdavss-train CONFIG`` runs ``tools/train.py``, wherever it is installed."""
