"""Invents details of a warehouse's images, so that the examples of the manual and the dictionary have results."""

from __future__ import annotations

import duckdb

from connector.tables import DETAIL_TABLES

_TYPES = {"text": "varchar", "bigint": "bigint", "bool": "boolean", "timestamp": "timestamptz", "double": "double"}
# The invented findings; every `one_in`-th image has the finding.
_KNOWN = """
create temp table known as from (values
    ('CVE-2021-44228', 'log4j-core', '2.14.1', '2.15.0', 'CRITICAL', 10.0, true, true, true, 5, 1),
    ('CVE-2021-45046', 'log4j-core', '2.14.1', '2.16.0', 'CRITICAL', 9.0, true, true, false, 5, 1),
    ('CVE-2022-0778', 'openssl', '1.1.1k', '1.1.1n', 'HIGH', 7.5, false, false, false, 2, 1),
    ('CVE-2022-37434', 'zlib', '1.2.11', '1.2.12', 'CRITICAL', 9.8, true, false, false, 3, 2),
    ('CVE-2018-25032', 'zlib', '1.2.11', '1.2.12', 'HIGH', 7.5, false, false, false, 3, 1),
    ('CVE-2019-20838', 'pcre', '8.44', null, 'MEDIUM', 7.5, false, false, false, 4, 1)
) as t(vul_id, component, version, fix, severity, score, has_exploit, is_known_exploited, is_emergency, one_in, read)
"""
# In the order of the images' ids. Every eleventh image is not read yet; the last read of every thirteenth proved
# nothing; every seventeenth was scanned again since its read.
_SCANNED = """
create temp table scanned as
select *, row_number() over (order by account_id, image_id) as n from tcss.images where scan_time is not null
"""
_INSERTS = (
    """
    insert into tcss.vulnerabilities by name
    select account_id, vul_id, vul_id as cve_id, severity, score as cvss_v3_score, has_exploit, is_known_exploited,
           is_emergency, min(first_seen_at) as first_seen_at, min(first_seen_at) as changed_at
    from known cross join scanned group by all
    """,
    """
    insert into tcss.image_reads by name
    select account_id, image_id, 'vulnerabilities' as aspect, 2 as read_no, vul_cnt, true as settled,
           scan_time - case when n % 17 = 0 then interval 9 day else interval 0 day end as scan_time,
           scan_time + interval 1 hour as read_at, case when n % 13 = 0 then 'partial' else 'complete' end as verdict
    from scanned where n % 11 > 0
    """,
    """
    insert into tcss.image_reads by name
    select account_id, image_id, 'malware' as aspect, 1 as read_no, virus_cnt as vul_cnt, true as settled, scan_time,
           scan_time + interval 1 hour as read_at, 'complete' as verdict
    from scanned
    """,
    """
    insert into tcss.image_vulnerabilities by name
    select account_id, image_id, '1:' || md5(vul_id || component) as finding_id, read as opened_read, vul_id, component,
           known.version, fix as fixed_versions, 1 as occurrences,
           scan_time - case when read = 1 then interval 5 day else interval 0 day end as first_found_at,
           case when read = 2 then scan_time - interval 5 day end as absent_at
    from scanned join known on n % one_in = 0
    """,
    """
    insert into tcss.image_malware by name
    select account_id, image_id, '1:' || md5('Win32.Trojan.Demo') as finding_id, 1 as opened_read,
           'Win32.Trojan.Demo' as virus_name, 4 as risk_level, '/opt/a.sh' as path, 'a.sh' as file_name,
           scan_time as first_found_at
    from scanned where n % 30 = 0
    """,
    """
    insert into tcss.containers by name
    select account_id, 'c' || n as container_id, 'k8s_web_' || n as container_name, 'RUNNING' as status, image_id,
           'h' || n % 3 as host_id, 'web-' || n as pod_name, 'prod' as cluster_name, changed_at as last_seen_at
    from scanned where container_cnt > 0 and deleted_at is null and n % 19 > 0
    """,
    """
    insert into tcss.hosts by name
    select distinct account_id, 'h' || n % 3 as host_id, 'node-' || n % 3 as host_name, '10.0.0.' || n % 3 as host_ip
    from scanned
    """,
)


def invent_details(db: duckdb.DuckDBPyConnection) -> None:
    """Make and fill the tables of details in the schema `tcss`, beside the images' tables."""
    for table in DETAIL_TABLES:
        columns = ", ".join(f"{column.name} {_TYPES[column.type]}" for column in table.columns)
        db.execute(f"create table tcss.{table.name} ({columns})")
    for statement in (_KNOWN, _SCANNED, *_INSERTS):
        db.execute(statement)
