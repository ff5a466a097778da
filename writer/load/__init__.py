"""From the journal into a sink. Never touches a ring."""
