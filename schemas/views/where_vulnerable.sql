-- In which container, in which pod and on which host does each vulnerability run?
--
-- One row per open finding of an image that is not gone, and container of the image in the last whole list of
-- containers. If the image is in use but no container of the image is known, there is one row without a container. The
-- columns that are not explained here are those of current_findings and containers.
--
-- container_id: null: the image is in use, but the list of containers has no container of the image
-- status: state of the container
-- pod_name: name of the pod, or else the API's field POD
-- node_type: NORMAL, or SUPER for a super node, which has no host
-- host_name: name of the host; from hosts, else from containers, as is host_ip
-- instance_id: cloud instance of the host
-- last_seen_at: when a sync last saw the container
-- account_name: what the account is called, as in accounts; null: the account has no name
select
    found.account_id,
    found.image_id,
    found.finding_id,
    running.container_id,
    images.image_name,
    facts.severity,
    facts.cve_id,
    found.vul_id,
    found.component,
    found.version,
    found.fixed_versions,
    facts.has_exploit,
    facts.is_known_exploited,
    facts.is_emergency,
    running.container_name,
    running.status,
    coalesce(running.pod_name, running.pod) as pod_name,
    running.cluster_id,
    running.cluster_name,
    running.node_type,
    running.host_id,
    coalesce(machines.host_name, running.host_name) as host_name,
    coalesce(machines.host_ip, running.host_ip) as host_ip,
    machines.instance_id,
    found.first_found_at,
    running.last_seen_at,
    called.account_name
from image_vulnerabilities as found
join image_reads as reads
    on reads.account_id = found.account_id
    and reads.image_id = found.image_id
    and reads.aspect = 'vulnerabilities'
join images on images.account_id = found.account_id and images.image_id = found.image_id
left join vulnerabilities as facts on facts.account_id = found.account_id and facts.vul_id = found.vul_id
left join containers as running
    on running.account_id = found.account_id
    and running.image_id = found.image_id
    and running.gone_at is null
left join hosts as machines on machines.account_id = running.account_id and machines.host_id = running.host_id
left join named_accounts as called on called.account_id = found.account_id
where
    found.opened_read <= reads.read_no
    and (found.closed_read is null or found.closed_read > reads.read_no)
    and images.deleted_at is null
    and (running.container_id is not null or images.container_cnt > 0)
