"""An example project for Dagster."""
