-- Which images are there now, and in what state is each?
--
-- One row per image that the account's hosts hold. The columns that are not explained here are those of images.
--
-- in_use: whether a container uses the image; null: not known
-- has_scan_error: whether any of the five scanners reports an error; current_scan_errors has one row per error
-- is_licensed: whether the image has a scan licence (is_authorized is not 0); null: not known
-- needs_attention: whether TCSS says that the image needs attention first (is_suggest is not 0); null: not known
-- account_name: what the account is called, as in accounts; null: the account has no name
select
    scan_states.account_id,
    image_id,
    image_name,
    image_registry,
    image_repository,
    image_tag,
    image_digest,
    create_time,
    size,
    os_name,
    os_family,
    os_version,
    host_cnt,
    super_node_cnt,
    container_cnt,
    case when container_cnt > 0 then true when container_cnt is not null then false end as in_use,
    is_trust_image,
    is_suggest,
    is_authorized,
    is_latest_image,
    recommended_fix,
    solution,
    reason,
    scan_status,
    scan_time,
    component_cnt,
    vul_cnt,
    critical_level_vul_cnt,
    high_level_vul_cnt,
    medium_level_vul_cnt,
    low_level_vul_cnt,
    virus_cnt,
    risk_cnt,
    has_scan_error,
    extra,
    version,
    first_seen_at,
    changed_at,
    case when is_authorized <> 0 then true when is_authorized = 0 then false end as is_licensed,
    case when is_suggest <> 0 then true when is_suggest = 0 then false end as needs_attention,
    called.account_name
from scan_states
left join named_accounts as called on called.account_id = scan_states.account_id
where deleted_at is null
