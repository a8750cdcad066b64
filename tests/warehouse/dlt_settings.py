"""Lists every setting of dlt that our runs can reach: those that only we may set, and those that anybody may set.

If a new release of dlt has a class or a field that is in neither table, `test_isolation.py` fails, so that somebody
decides about it.
"""

from __future__ import annotations

_POOL = "pool_type start_method workers run_sleep"
_DESTINATION = (
    "destination_type credentials destination_name environment dataset_name default_schema_name replace_strategy "
    "staging_dataset_name_layout enable_dataset_name_normalization info_tables_query_threshold"
)
_STAGED = f"{_DESTINATION} staging_config truncate_tables_on_staging_destination_before_load"
_LOCAL = "local_dir pipeline_name pipeline_working_dir legacy_db_path"
_DATABASE = "drivername database password username host port query"
_DUCKDB = "read_only extensions global_config pragmas statements local_config session_timezone conn_pool"

PINNED: dict[str, tuple[str, str]] = {
    # class: (the sections in which dlt looks for it, its fields)
    "dlt.common.data_writers.buffered.BufferedDataWriter.BufferedDataWriterConfiguration": (
        "",
        "buffer_max_items file_max_items file_max_bytes disable_compression _caps",
    ),
    "dlt.common.destination.client.DestinationClientConfiguration": (
        "destination.x",
        "destination_type credentials destination_name environment",
    ),
    "dlt.common.destination.client.DestinationClientDwhConfiguration": ("destination.x", _DESTINATION),
    "dlt.common.destination.client.DestinationClientDwhWithStagingConfiguration": ("destination.x", _STAGED),
    "dlt.common.destination.configuration.CsvFormatConfiguration": (
        "",
        "delimiter include_header quoting lineterminator encoding encoding_errors on_error_continue",
    ),
    "dlt.common.destination.configuration.ParquetFormatConfiguration": (
        "",
        "flavor version compression data_page_size timestamp_timezone row_group_size coerce_timestamps "
        "allow_truncated_timestamps use_compliant_nested_type write_page_index use_content_defined_chunking "
        "supports_dictionary_encoding arrow_concat_promote_options",
    ),
    "dlt.common.destination.utils.PrepareLoadTableConfiguration": ("", "destination_capabilities"),
    "dlt.common.destination.utils.ResolveMergeStrategyConfiguration": ("", "destination_capabilities"),
    "dlt.common.runners.configuration.PoolRunnerConfiguration": ("", _POOL),
    "dlt.common.schema.configuration.SchemaConfiguration": (
        "sources.tcss",
        "naming json_normalizer allow_identifier_change_on_table_with_data use_break_path_on_normalize",
    ),
    "dlt.common.schema.normalizers.ImportNormalizersConfiguration": ("", "default_normalizers"),
    "dlt.common.storages.configuration.LoadStorageConfiguration": ("load", "load_volume_path delete_completed_jobs"),
    "dlt.common.storages.configuration.NormalizeStorageConfiguration": ("normalize", "normalize_volume_path"),
    "dlt.common.storages.configuration.SchemaStorageConfiguration": (
        "schema",
        "schema_volume_path import_schema_path export_schema_path external_schema_format "
        "external_schema_format_remove_defaults",
    ),
    "dlt.destinations._adbc_jobs.HasAdbcDriverConfiguration": ("", "disable_adbc_detection"),
    "dlt.destinations.impl.duckdb.configuration.DuckDbBaseCredentials": ("destination.duckdb", _DUCKDB),
    "dlt.destinations.impl.duckdb.configuration.DuckDbCredentials": ("destination.duckdb", f"{_DATABASE} {_DUCKDB}"),
    "dlt.destinations.impl.duckdb.configuration.DuckDbClientConfiguration": (
        "destination.duckdb",
        f"{_STAGED} {_LOCAL} create_indexes",
    ),
    "dlt.destinations.impl.postgres.configuration.PostgresCredentials": (
        "destination.postgres",
        f"{_DATABASE} connect_timeout client_encoding session_timezone",
    ),
    "dlt.destinations.impl.postgres.configuration.PostgresClientConfiguration": (
        "destination.postgres",
        f"{_STAGED} create_indexes csv_format",
    ),
    "dlt.destinations.impl.sqlalchemy.configuration.SqlalchemyCredentials": (
        "destination.sqlalchemy",
        f"{_DATABASE} engine_kwargs engine_args managed_engine",
    ),
    "dlt.destinations.impl.sqlalchemy.configuration.SqlalchemyClientConfiguration": (
        "destination.sqlalchemy",
        f"{_DESTINATION} {_LOCAL} create_unique_indexes create_primary_keys engine_kwargs engine_args",
    ),
    "dlt.extract.extractors.Extractor.ExtractorConfiguration": ("", "_caps"),
    "dlt.extract.pipe_iterator.PipeIterator.PipeIteratorConfiguration": (
        "",
        "max_parallel_items workers futures_poll_interval copy_on_fork next_item_mode",
    ),
    "dlt.load.configuration.LoaderConfiguration": (
        "load",
        f"{_POOL} parallelism_strategy raise_on_failed_jobs raise_on_max_retries _load_storage_config "
        "truncate_staging_dataset start_new_jobs_on_signal auto_abort_on_terminal_error",
    ),
    "dlt.normalize.configuration.ItemsNormalizerConfiguration": (
        "normalize.parquet_normalizer",
        "add_dlt_id add_dlt_load_id",
    ),
    "dlt.normalize.configuration.NormalizeConfiguration": (
        "normalize",
        f"{_POOL} destination_capabilities _schema_storage_config _normalize_storage_config _load_storage_config "
        "json_normalizer parquet_normalizer model_normalizer",
    ),
    "dlt.pipeline.configuration.PipelineConfiguration": (
        "pipelines",
        "pipeline_name pipelines_dir destination_type destination_name staging_type staging_name import_schema_path "
        "export_schema_path dataset_name dataset_name_layout pipeline_salt restore_from_destination "
        "enable_runtime_trace use_single_dataset full_refresh dev_mode progress runtime refresh",
    ),
    "dlt.pipeline.configuration.PipelineRuntimeConfiguration": (
        "",
        "slack_incoming_hook pluggable_run_context intercept_signals",
    ),
}
"""Settings that could change our runs: they have dlt's default or our value, whatever the user configures."""

HARMLESS: dict[str, tuple[str, str]] = {
    # class: (why, its fields)
    "dlt.common.configuration.specs.runtime_configuration.RuntimeConfiguration": (
        "Of the process, and read before us: its log, and reports that our pipelines do not make.",
        "pipeline_name sentry_dsn slack_incoming_hook dlthub_telemetry dlthub_telemetry_endpoint "
        "dlthub_telemetry_segment_write_key log_format log_level request_timeout request_max_attempts "
        "request_backoff_factor request_max_retry_delay config_files_storage_path dlthub_dsn run_id "
        "http_show_error_body http_max_error_body_length",
    ),
    "dlt.common.configuration.specs.config_providers_context.ConfigProvidersConfiguration": (
        "Where dlt looks for secrets, ours among them.",
        "enable_airflow_secrets enable_google_secrets enable_aws_secrets airflow_secrets google_secrets aws_secrets",
    ),
    "dlt.common.configuration.specs.config_providers_context.VaultProviderConfiguration": (
        "How dlt looks for secrets.",
        "only_secrets only_toml_fragments list_secrets",
    ),
    "dlt.common.configuration.specs.config_providers_context.AwsSecretsProviderConfiguration": (
        "How dlt looks for secrets.",
        "only_secrets only_toml_fragments list_secrets secret_name_prefix",
    ),
    "dlt.extract.incremental.Incremental": (
        "A resource of ours has none.",
        "cursor_path initial_value end_value row_order allow_external_schedulers on_cursor_value_missing lag "
        "range_start range_end",
    ),
}

NOT_REACHED: dict[str, str] = {
    # a prefix of module names: why our runs do not use their classes
    "dlt.common.configuration.specs.base_configuration": "Abstract.",
    "dlt.common.configuration.specs.connection_string_credentials": "Abstract.",
    "dlt.common.configuration.specs.api_credentials": "Keys of services.",
    "dlt.common.configuration.specs.aws_credentials": "Keys of services.",
    "dlt.common.configuration.specs.azure_credentials": "Keys of services.",
    "dlt.common.configuration.specs.gcp_credentials": "Keys of services.",
    "dlt.common.configuration.specs.hf_credentials": "Keys of services.",
    "dlt.common.configuration.specs.sftp_credentials": "Keys of services.",
    "dlt.common.storages.configuration.Filesystem": "Buckets, in which we stage nothing.",
    "dlt.common.storages.configuration.WithLocalFiles": "Abstract: those of files have its fields.",
    "dlt.common.destination.client.DestinationClientStagingConfiguration": "Buckets, in which we stage nothing.",
    "dlt.common.libs": "Iceberg.",
    "dlt.destinations.impl.": "Of a destination that a user names: what is its own may be set in its own section.",
    "dlt.sources": "Sources of dlt's own.",
    "dlt.helpers": "dbt.",
    "dlt._workspace": "dlt's own commands.",
}
