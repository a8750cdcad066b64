"""Names the lists of details by their actions: to add a list, add an entry."""

from collections.abc import Mapping

from connector.sandbox.detail import contents, running, vulnerabilities
from connector.sandbox.detail.lists import Action

DETAIL_ACTIONS: Mapping[str, Action] = {
    "DescribeAssetImageVulList": vulnerabilities.IMAGE_VULNERABILITIES,
    "DescribeSystemVulList": vulnerabilities.SYSTEM_VULNERABILITIES,
    "DescribeWebVulList": vulnerabilities.WEB_VULNERABILITIES,
    "DescribeEmergencyVulList": vulnerabilities.EMERGENCIES,
    "DescribeVulImageList": vulnerabilities.IMAGES_OF_VULNERABILITY,
    "DescribeVulContainerList": vulnerabilities.CONTAINERS_OF_VULNERABILITY,
    "DescribeAssetContainerList": running.CONTAINERS,
    "DescribeAssetHostList": running.HOSTS,
    "DescribeAssetImageVirusList": contents.VIRUSES,
    "DescribeImageComponentList": contents.COMPONENTS,
}
