"""Laws: parametric forms of accuracy against compute."""
