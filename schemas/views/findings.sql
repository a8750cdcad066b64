-- Which vulnerabilities were ever found, in the words of other scanners?
--
-- One row per finding, from its begin to its end; a finding that returned has another row. The column names are those
-- of Trivy and OSV, so that the rows can be united with those of other scanners.
--
-- repository: image_repository of images
-- tag: image_tag of images
-- vulnerability_id: the CVE number in upper case, else `name:` and a hash of the name
-- title: name of the vulnerability
-- severity: CRITICAL, HIGH, MEDIUM or LOW; null: no list of the account has shown the vulnerability
-- package_name: component of image_vulnerabilities
-- installed_version: version of image_vulnerabilities
-- fixed_version: fixed_versions of image_vulnerabilities; null: no fix is known
-- status: open, closed (a later scan of the same image no longer had the finding: judged anew), or image_gone
-- first_observed_at: ScanTime of the first read that has the finding
-- since_is_known: as in current_findings
-- closed_at: ScanTime of the first read without the finding, or deleted_at of an image that is gone; null: open
-- exploit_available: whether an exploit exists
-- known_exploited: whether the vulnerability is exploited in the wild
-- published_at: when the vulnerability was published
-- account_name: what the account is called, as in accounts; null: the account has no name
with observed as (
    select
        found.account_id,
        found.image_id,
        found.finding_id,
        images.image_name,
        images.image_repository,
        images.image_tag,
        found.vul_id,
        found.component,
        found.version,
        found.fixed_versions,
        found.first_found_at,
        case
            when found.absent_at < found.first_found_at then true
            when fresh.image_id is null or fresh.scanned_at < found.first_found_at then false
            else true
        end as since_is_known,
        case
            when found.closed_read <= reads.read_no then 'closed'
            when images.deleted_at is not null then 'image_gone'
            else 'open'
        end as status,
        found.closed_at,
        images.deleted_at
    from image_vulnerabilities as found
    join image_reads as reads
        on reads.account_id = found.account_id
        and reads.image_id = found.image_id
        and reads.aspect = 'vulnerabilities'
    join images on images.account_id = found.account_id and images.image_id = found.image_id
    left join new_images as fresh on fresh.account_id = found.account_id and fresh.image_id = found.image_id
    where
        found.opened_read <= reads.read_no
        and (found.closed_read is null or found.closed_read > found.opened_read)
)
select
    observed.account_id,
    observed.image_id,
    observed.finding_id,
    observed.image_name,
    observed.image_repository as repository,
    observed.image_tag as tag,
    observed.vul_id as vulnerability_id,
    facts.name as title,
    facts.severity,
    facts.cvss_v3_score,
    facts.cvss_v3_vector,
    observed.component as package_name,
    observed.version as installed_version,
    observed.fixed_versions as fixed_version,
    observed.status,
    observed.first_found_at as first_observed_at,
    observed.since_is_known,
    case observed.status when 'closed' then observed.closed_at when 'image_gone' then observed.deleted_at end
        as closed_at,
    facts.has_exploit as exploit_available,
    facts.is_known_exploited as known_exploited,
    facts.submit_time as published_at,
    called.account_name
from observed
left join vulnerabilities as facts
    on facts.account_id = observed.account_id
    and facts.vul_id = observed.vul_id
left join named_accounts as called on called.account_id = observed.account_id
