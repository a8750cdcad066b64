"""The names of operating systems, as scanners write them, are split into family and version."""

import pytest

from connector.images.os_names import split_os_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alpine:v3.12", ("alpine", "3.12")),
        ("alpine:edge", ("alpine", "edge")),
        ("debian:bookworm/sid", ("debian", "bookworm/sid")),
        ("foo:vivid", ("foo", "vivid")),
        ("CentOS Linux 7", ("centos", "7")),
        ("CentOS Linux release 7.9.2009 (Core)", ("centos", "7.9.2009")),
        ("Ubuntu 22.04.1 LTS", ("ubuntu", "22.04.1")),
        ("Debian GNU/Linux 11 (bullseye)", ("debian", "11")),
        ("Red Hat Enterprise Linux 8.4", ("rhel", "8.4")),
        ("rhel:8.4", ("rhel", "8.4")),
        ("Oracle Linux Server 8.5", ("ol", "8.5")),
        ("Amazon Linux 2", ("amzn", "2")),
        ("SUSE Linux Enterprise Server 15 SP3", ("sles", "15")),
        ("openSUSE Leap 15.3", ("opensuse", "15.3")),
        ("opensuse-leap:15.3", ("opensuse", "15.3")),
        ("TencentOS Server 3.1", ("tencentos", "3.1")),
        ("Tencent tlinux 2.2", ("tencentos", "2.2")),
        ("Windows Server 2019 Datacenter", ("windows", "2019")),
        ("Microsoft Windows", ("windows", None)),
        ("windows", ("windows", None)),
        ("BusyBox v1.35.0", ("busybox", "1.35.0")),
        ("中标麒麟 V10", ("中标麒麟", "10")),
        ("Debian GNU/Linux bookworm/sid", ("debian", None)),
        ("Linux", (None, None)),
        ("1.2", (None, "1.2")),
        (":", (None, None)),
        ("", (None, None)),
    ],
)
def test_os_name(text: str, expected: tuple[str | None, str | None]) -> None:
    """The family groups what is one system, in whichever form it is named; the version stands without a `v`."""
    assert split_os_name(text) == expected
