"""DAGs to copy. Airflow does not load them from here."""
