"""Other formulations of our own algorithms, measured beside the one that the package has."""
