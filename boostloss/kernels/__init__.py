"""How a formula becomes a machine loop."""
