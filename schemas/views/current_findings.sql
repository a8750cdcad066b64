-- Which image has which vulnerability now, in which package, and what fixes it?
--
-- One row per open finding of an image that is not gone: a vulnerability in a package and version. Only sets that were
-- read whole are here. An image without a row is not proven clean: detail_coverage counts images that were not read.
-- The columns that are not explained here are those of image_vulnerabilities, vulnerabilities and images.
--
-- severity: CRITICAL, HIGH, MEDIUM or LOW; null: no list of the account has shown the vulnerability
-- first_found_at: ScanTime of the first read that has the finding
-- came_with_image: whether the image's first read has the finding; else a later read, with new knowledge, found it
-- since_is_known: whether first_found_at answers "since when?"; false if no read of an earlier scan lacked the finding
-- and the image was there in the account's first complete sync, or had a scan before that read's, so that the finding
-- may be older
-- scan_time: ScanTime of the finding's set
-- read_at: when the image's vulnerabilities were last read, whole or not
-- account_name: what the account is called, as in accounts; null: the account has no name
select
    found.account_id,
    found.image_id,
    found.finding_id,
    images.image_name,
    images.image_repository,
    images.image_tag,
    facts.severity,
    facts.cve_id,
    found.vul_id,
    facts.name,
    found.component,
    found.version,
    found.fixed_versions,
    found.level,
    facts.cvss_v3_score,
    facts.has_exploit,
    facts.is_known_exploited,
    facts.is_emergency,
    found.first_found_at,
    case when found.opened_read = 1 then true else false end as came_with_image,
    case
        when found.absent_at < found.first_found_at then true
        when fresh.image_id is null or fresh.scanned_at < found.first_found_at then false
        else true
    end as since_is_known,
    images.container_cnt,
    images.host_cnt,
    reads.scan_time,
    reads.read_at,
    called.account_name
from image_vulnerabilities as found
join image_reads as reads
    on reads.account_id = found.account_id
    and reads.image_id = found.image_id
    and reads.aspect = 'vulnerabilities'
join images on images.account_id = found.account_id and images.image_id = found.image_id
left join vulnerabilities as facts on facts.account_id = found.account_id and facts.vul_id = found.vul_id
left join new_images as fresh on fresh.account_id = found.account_id and fresh.image_id = found.image_id
left join named_accounts as called on called.account_id = found.account_id
where
    found.opened_read <= reads.read_no
    and (found.closed_read is null or found.closed_read > reads.read_no)
    and images.deleted_at is null
