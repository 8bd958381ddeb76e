"""The strategies that a plan chooses among, and the choice."""
