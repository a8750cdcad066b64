"""How people load this API today, as small honest programs: each takes the API's URL and a DuckDB file."""
