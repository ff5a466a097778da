"""The writer process: drains every ring into a local journal and loads the journal into ClickHouse."""
