-- What was known of an image at any moment, and from when to when?
--
-- One row per version of an image that a sync observed, without rows of image_history that a killed run left. The
-- fleet at a moment: valid_from <= moment and (valid_to > moment or valid_to is null) and deleted_at is null. Over
-- millions of versions that takes long: the manual has quicker queries. The columns that are not explained here are
-- those of image_history.
--
-- valid_from: when a sync first observed this version; the change itself happened since the sync before
-- valid_to: when a sync first observed the next version; null: this version is the latest
-- is_current: whether this version is the latest, as in images
-- event: how this version began: new, changed, gone or returned; a gone version is valid while the image is gone
-- account_name: what the account is called, as in accounts; null: the account has no name
select
    history.account_id,
    history.image_id,
    history.version,
    history.observed_at as valid_from,
    history.valid_to,
    case when history.version = history.latest_version then true else false end as is_current,
    case
        when history.deleted_at is not null then 'gone'
        when history.version = 1 then 'new'
        when earlier.version is not null then 'returned'
        else 'changed'
    end as event,
    history.image_name,
    history.image_registry,
    history.image_repository,
    history.image_tag,
    history.image_digest,
    history.create_time,
    history.size,
    history.os_name,
    history.os_family,
    history.os_version,
    history.host_cnt,
    history.super_node_cnt,
    history.container_cnt,
    history.is_trust_image,
    history.is_suggest,
    history.is_authorized,
    history.is_latest_image,
    history.recommended_fix,
    history.solution,
    history.reason,
    history.scan_status,
    history.scan_time,
    history.component_cnt,
    history.vul_cnt,
    history.critical_level_vul_cnt,
    history.high_level_vul_cnt,
    history.medium_level_vul_cnt,
    history.low_level_vul_cnt,
    history.virus_cnt,
    history.risk_cnt,
    history.agent_error,
    history.scan_error,
    history.scan_virus_error,
    history.scan_vul_error,
    history.scan_risk_error,
    history.extra,
    history.deleted_at,
    history.sync_id,
    called.account_name
from versions as history
left join image_history as earlier
    on earlier.account_id = history.account_id
    and earlier.image_id = history.image_id
    and earlier.version = history.version - 1
    and earlier.deleted_at is not null
left join named_accounts as called on called.account_id = history.account_id
