"""Asks about the details behind the counts, which only a warehouse with the tables of details can answer.

The SQL is written as in `questions`. Images whose details are not known are missing here: `COVERAGE` counts them.
"""

from collections.abc import Mapping

from connector.posture.questions import Question

_ACCOUNT = frozenset({"account"})
_SEVERITY = """case found.severity
        when 'CRITICAL' then 1 when 'HIGH' then 2 when 'MEDIUM' then 3 when 'LOW' then 4 else 5 end"""
_EXPLOIT = """case when found.is_known_exploited = true then {} when found.is_emergency = true then {}
        when found.has_exploit = true then {} {}end"""
_RANK, _WORD = _EXPLOIT.format(1, 2, 3, "else 4 "), _EXPLOIT.format("'in the wild'", "'emergency'", "'exists'", "")
_START = "case when found.since_is_known = true then 'exact' else 'or before' end"

COVERAGE = Question(
    "Of how many images are the vulnerabilities and the malware known?",
    """
select image.aspect, image.state, cast(sum(image.images) as bigint) as images,
    cast(sum(image.images_in_use) as bigint) as images_in_use
from detail_coverage as image
where 1 = 1{filters}
group by image.aspect, image.state
order by image.aspect, image.state""",
    narrowed="""
select image.aspect, image.state, count(*) as images,
    count(case when image.container_cnt > 0 then 1 end) as images_in_use
from set_states as image
where 1 = 1{filters}
group by image.aspect, image.state
order by image.aspect, image.state""",
    knows=_ACCOUNT,
)
EXPLOITABLE = Question(
    "What is exploitable and running?",
    f"""
with running as (
    select found.account_id, found.image_id, found.vul_id, found.component, found.fixed_versions, found.severity,
        max(coalesce(found.cve_id, found.name)) as vulnerability,
        {_WORD} as exploit,
        {_RANK} as exploit_rank,
        {_SEVERITY} as severity_rank,
        max(image.container_cnt) as container_cnt
    from current_findings as found
    join current_images as image on image.account_id = found.account_id and image.image_id = found.image_id
    where image.container_cnt > 0
        and (found.has_exploit = true or found.is_known_exploited = true or found.is_emergency = true){{filters}}
    group by found.account_id, found.image_id, found.vul_id, found.component, found.fixed_versions, found.severity,
        found.is_known_exploited, found.is_emergency, found.has_exploit
)
select max(vulnerability) as vulnerability, severity, exploit, component, fixed_versions, count(*) as images,
    cast(sum(container_cnt) as bigint) as containers, account_id, vul_id, exploit_rank, severity_rank,
    count(*) over () as matching
from running
group by severity, exploit, component, fixed_versions, account_id, vul_id, exploit_rank, severity_rank
order by exploit_rank, severity_rank, containers desc, images desc, vul_id, component, fixed_versions, account_id
limit {{most}}""",
)
_UPGRADES = """
order by removed.critical_findings + removed.high_findings desc, removed.findings desc, removed.containers desc,
    removed.component, removed.version, removed.fixed_versions, removed.account_id
limit {most}"""
_REMOVED = """
select removed.component, removed.version, removed.fixed_versions, removed.findings, removed.critical_findings,
    removed.high_findings, removed.exploitable_findings, removed.vulnerabilities, removed.images, removed.containers,
    removed.account_id, count(*) over () as matching
"""
UPGRADES = Question(
    "Which upgrade removes most?",
    f"""{_REMOVED}from (select * from upgrades as image where 1 = 1{{filters}}) as removed{_UPGRADES}""",
    narrowed=f"""
with needed as (
    select found.account_id, found.image_id, found.component, found.version, found.fixed_versions, found.vul_id,
        found.severity, image.container_cnt,
        case when found.has_exploit = true or found.is_known_exploited = true then 1 end as exploitable,
        row_number() over (
            partition by found.account_id, found.component, found.version, found.fixed_versions, found.image_id
            order by found.vul_id
        ) as nth
    from current_findings as found
    join current_images as image on image.account_id = found.account_id and image.image_id = found.image_id
    where image.container_cnt > 0 and found.fixed_versions is not null{{filters}}
),
removed as (
    select account_id, component, version, fixed_versions, count(*) as findings,
        count(case when severity = 'CRITICAL' then 1 end) as critical_findings,
        count(case when severity = 'HIGH' then 1 end) as high_findings,
        count(exploitable) as exploitable_findings,
        count(distinct vul_id) as vulnerabilities,
        count(case when nth = 1 then 1 end) as images,
        cast(sum(case when nth = 1 then container_cnt else 0 end) as bigint) as containers
    from needed
    group by account_id, component, version, fixed_versions
){_REMOVED}from removed{_UPGRADES}""",
    knows=_ACCOUNT,
)
_READ = """
select image.scan_time, reads.read_no, reads.scan_time as set_scan_time, reads.read_at, reads.verdict,
    reads.verdict_reason, image.{counted} as counted, states.state
from current_images as image
left join image_reads as reads on reads.account_id = image.account_id and reads.image_id = image.image_id
    and reads.aspect = '{aspect}'
left join set_states as states on states.account_id = image.account_id and states.image_id = image.image_id
    and states.aspect = '{aspect}'
where image.account_id = filter_account and image.image_id = filter_image"""
READ = Question(
    "Were the vulnerabilities of this image read?", _READ.format(aspect="vulnerabilities", counted="vul_cnt")
)
MALWARE_READ = Question(
    "Were the malicious files of this image read?", _READ.format(aspect="malware", counted="virus_cnt")
)
FINDINGS = Question(
    "Which vulnerabilities does this image have?",
    f"""
select coalesce(found.cve_id, found.name) as vulnerability, found.severity,
    {_WORD[:-3]}else 'none known' end as exploit,
    found.component, found.version, found.fixed_versions, found.first_found_at, {_START} as start, found.account_id,
    found.vul_id, {_RANK} as exploit_rank, {_SEVERITY} as severity_rank, count(*) over () as matching
from current_findings as found
where found.account_id = filter_account and found.image_id = filter_image
order by exploit_rank, severity_rank, found.vul_id, found.component, found.version, found.finding_id
limit {{most}}""",
)
MALWARE = Question(
    "Which malicious files does this image have?",
    f"""
select found.virus_name, found.risk_level, found.path, found.file_name, found.size, found.first_found_at,
    {_START} as start, found.md5, found.finding_id, count(*) over () as matching
from current_malware as found
where found.account_id = filter_account and found.image_id = filter_image
order by found.path, found.file_name, found.finding_id
limit {{most}}""",
)
VULNERABILITY = Question(
    "What is known of this vulnerability?",
    """
select coalesce(facts.cve_id, facts.name) as vulnerability, facts.name, facts.severity,
    facts.cvss_v3_score, facts.description, facts.official_solution, facts.account_id, facts.vul_id
from vulnerabilities as facts
where facts.account_id = filter_account and facts.vul_id = filter_vulnerability""",
)
AFFECTED = Question(
    "Which images have this vulnerability?",
    f"""
select found.image_name, found.container_cnt, found.component, found.version, found.fixed_versions,
    found.first_found_at, {_START} as start, found.scan_time, found.account_id, found.image_id,
    count(*) over () as matching
from current_findings as found
where found.account_id = filter_account and found.vul_id = filter_vulnerability
order by coalesce(found.container_cnt, 0) desc, found.image_id, found.component, found.version, found.finding_id
limit {{most}}""",
)
FINDING_QUESTIONS: Mapping[str, Question] = {
    "coverage": COVERAGE,
    "exploitable": EXPLOITABLE,
    "upgrades": UPGRADES,
    "read": READ,
    "findings": FINDINGS,
    "malware_read": MALWARE_READ,
    "malware": MALWARE,
    "vulnerability": VULNERABILITY,
    "affected": AFFECTED,
}
