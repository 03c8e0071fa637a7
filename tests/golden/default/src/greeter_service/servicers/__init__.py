"""What the RPCs do: one module per service. Imports nothing from `gateway`."""
