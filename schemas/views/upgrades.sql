-- Which upgrade of which package removes most vulnerabilities from images in use?
--
-- One row per package, version and fixed versions, as received, over the images that a container uses. Findings without
-- a fix are not here. Versions are not compared: a later version may also remove the findings of other rows of the same
-- package and version.
--
-- upgrade_rank: 1 removes most in its account: most critical and high findings, then most findings, then from most
-- containers
-- component: the package
-- version: the package's version in the images
-- fixed_versions: the versions that fix the findings
-- findings: findings that the upgrade removes: a vulnerability counts for each image
-- critical_findings: critical findings that the upgrade removes
-- high_findings: high findings that the upgrade removes
-- exploitable_findings: findings that the upgrade removes with an exploit, or exploited in the wild
-- vulnerabilities: different vulnerabilities that the upgrade removes
-- images: images in use that need the upgrade
-- containers: containers of these images
-- account_name: what the account is called, as in accounts; null: the account has no name
with needed as (
    select
        found.account_id,
        found.image_id,
        found.component,
        found.version,
        found.fixed_versions,
        found.vul_id,
        images.container_cnt,
        facts.severity,
        case when facts.has_exploit = true or facts.is_known_exploited = true then 1 else 0 end as is_exploitable,
        row_number() over (
            partition by found.account_id, found.component, found.version, found.fixed_versions, found.image_id
            order by found.vul_id
        ) as nth
    from image_vulnerabilities as found
    join image_reads as reads
        on reads.account_id = found.account_id
        and reads.image_id = found.image_id
        and reads.aspect = 'vulnerabilities'
    join images on images.account_id = found.account_id and images.image_id = found.image_id
    left join vulnerabilities as facts on facts.account_id = found.account_id and facts.vul_id = found.vul_id
    where
        found.opened_read <= reads.read_no
        and (found.closed_read is null or found.closed_read > reads.read_no)
        and images.deleted_at is null
        and images.container_cnt > 0
        and found.fixed_versions is not null
),
removed as (
    select
        account_id,
        component,
        version,
        fixed_versions,
        count(*) as findings,
        count(case when severity = 'CRITICAL' then 1 end) as critical_findings,
        count(case when severity = 'HIGH' then 1 end) as high_findings,
        count(case when is_exploitable = 1 then 1 end) as exploitable_findings,
        count(distinct vul_id) as vulnerabilities,
        count(case when nth = 1 then 1 end) as images,
        cast(sum(case when nth = 1 then container_cnt else 0 end) as bigint) as containers
    from needed
    group by account_id, component, version, fixed_versions
)
select
    removed.account_id,
    rank() over (
        partition by removed.account_id
        order by critical_findings + high_findings desc, findings desc, containers desc
    ) as upgrade_rank,
    component,
    version,
    fixed_versions,
    findings,
    critical_findings,
    high_findings,
    exploitable_findings,
    vulnerabilities,
    images,
    containers,
    called.account_name
from removed
left join named_accounts as called on called.account_id = removed.account_id
