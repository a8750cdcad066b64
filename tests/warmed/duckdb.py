from tests.warmed import warm

warm("duckdb")
