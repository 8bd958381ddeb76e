"""The command line: Hydra stops here, the library takes plain arguments."""
