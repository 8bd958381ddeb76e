"""What is learned from labels: orders, weights, temperatures, shares; always cross-fitted."""
