"""From the rings into the journal. Never touches a database."""
