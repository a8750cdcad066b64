"""An image reference is taken apart by the grammar of distribution/reference, and nothing is added to it.

The names of operating systems, as scanners write them, are split into family and version.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.images.names import ImageName, split_image_name, split_os_name

HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SHA = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("l10:latest", (None, "l10", "latest", None), id="repository-and-tag"),
        pytest.param("nginx", (None, "nginx", None, None), id="nothing-implied"),
        pytest.param("library/nginx", (None, "library/nginx", None, None), id="namespace-is-no-registry"),
        pytest.param("ccr.ccs.tencentyun.com/a/b:v1", ("ccr.ccs.tencentyun.com", "a/b", "v1", None), id="registry"),
        pytest.param("10.0.0.1:5000/app:1", ("10.0.0.1:5000", "app", "1", None), id="registry-with-port"),
        pytest.param("hub:443/app", ("hub:443", "app", None, None), id="bare-host-with-port"),
        pytest.param("[fd00::1]:5000/app", ("[fd00::1]:5000", "app", None, None), id="ipv6"),
        pytest.param("localhost/x", ("localhost", "x", None, None), id="localhost"),
        pytest.param("localhost:5000/x:t", ("localhost:5000", "x", "t", None), id="localhost-with-port"),
        pytest.param("localhost", (None, "localhost", None, None), id="localhost-alone"),
        pytest.param("localhost:5000", (None, "localhost", "5000", None), id="no-path-so-a-tag"),
        pytest.param("Registry/app:1", ("Registry", "app", "1", None), id="upper-case-registry"),
        pytest.param("a/b/c/d/e/f:1", (None, "a/b/c/d/e/f", "1", None), id="deep-path"),
        pytest.param("r.io/a__b/c.d/e--f:V1.0_x-2", ("r.io", "a__b/c.d/e--f", "V1.0_x-2", None), id="separators"),
        pytest.param("r:" + "x" * 128, (None, "r", "x" * 128, None), id="longest-tag"),
        pytest.param(f"repo@{SHA}", (None, "repo", None, SHA), id="digest"),
        pytest.param(f"r.io:5000/a/b:t@{SHA}", ("r.io:5000", "a/b", "t", SHA), id="tag-and-digest"),
        pytest.param(SHA, (None, None, None, SHA), id="bare-digest"),
        pytest.param("<none>:<none>", (None, None, None, None), id="dangling"),
        pytest.param("<none>", (None, None, None, None), id="none"),
        pytest.param("repo:<none>", (None, "repo", None, None), id="no-tag"),
        pytest.param(f"repo:<none>@{SHA}", (None, "repo", None, SHA), id="no-tag-but-digest"),
        pytest.param(f"<none>@{SHA}", (None, None, None, SHA), id="no-repository-but-digest"),
    ],
)
def test_reference(text: str, expected: tuple[str | None, ...]) -> None:
    """Each part stands in its column as it stands in the reference; `<none>` and absent parts are null."""
    assert split_image_name(text) == ImageName(*expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Foo:latest",
        "a b:latest",
        "repo:",
        "repo:-x",
        "repo:tag:tag",
        "repo@sha256:abc",
        "/repo",
        "repo/",
        "a//b",
        "-a/b",
        "repo\n",
        "镜像:最新",
        "repo:тег",
        "repo:" + "x" * 129,
        "<none>:x y",
        "\x00",
        "\ud800",
    ],
)
def test_not_a_reference(text: str) -> None:
    """A text that is no reference has no parts: half a guess would join to the wrong repository."""
    assert split_image_name(text) == ImageName(None, None, None, None)


ALNUM = "abcxyz0189"
COMPONENTS = st.lists(st.text(ALNUM, min_size=1, max_size=6), min_size=1, max_size=3).flatmap(
    lambda words: st.lists(
        st.sampled_from([".", "_", "__", "-", "---"]), min_size=len(words) - 1, max_size=len(words) - 1
    ).map(lambda separators: "".join(a + b for a, b in zip(words, [*separators, ""], strict=True)))
)
PATHS = st.lists(COMPONENTS, min_size=1, max_size=4).map("/".join)
HOSTS = st.sampled_from(["localhost", "ccr.ccs.tencentyun.com", "10.0.0.1", "a-b.C9", "Hub"])
REGISTRIES = st.tuples(HOSTS, st.sampled_from(["", ":80", ":5000"])).map("".join)
TAGS = st.tuples(st.sampled_from("aZ0_"), st.text("aZ0_.-", max_size=127)).map("".join)
DIGESTS = st.tuples(st.sampled_from(["sha256", "sha512", "a+b"]), st.text("0aF", min_size=32, max_size=128)).map(
    ":".join
)


def join(registry: str | None, path: str | None, tag: str | None, digest: str | None) -> str:
    return (
        (f"{registry}/" if registry else "")
        + (path or "")
        + (f":{tag}" if tag else "")
        + (f"@{digest}" if digest else "")
    )


@given(REGISTRIES, PATHS, st.none() | TAGS, st.none() | DIGESTS)
def test_parts_come_back(registry: str, path: str, tag: str | None, digest: str | None) -> None:
    """What the grammar puts together comes apart into the same parts."""
    assert split_image_name(join(registry, path, tag, digest)) == ImageName(registry, path, tag, digest)


@given(PATHS, st.none() | TAGS, st.none() | DIGESTS)
def test_parts_make_the_reference(path: str, tag: str | None, digest: str | None) -> None:
    """Without a registry too (though `a.b/c` then reads as one) the parts together are the reference."""
    text = join(None, path, tag, digest)
    name = split_image_name(text)
    assert join(*name) == text
    assert (name.tag, name.digest) == (tag, digest)


@given(st.text(st.characters(exclude_categories=())) | st.text("ab.:/@_-<none>[]0", max_size=60))
def test_any_text(text: str) -> None:
    """Of any text there are four parts, and each that is there stands in the text."""
    assert all(part is None or part in text for part in split_image_name(text))


# As scanners, /etc/os-release, /etc/issue and TKE write them: the family, and which names and versions are of it.
SYSTEMS: dict[str | None, dict[str, str | None]] = {
    "alinux": {
        "Alibaba Cloud Linux (Aliyun Linux) 2.1903 LTS (Hunting Beagle)": "2.1903",
        "Alibaba Cloud Linux release 3 (Soaring Falcon)": "3",
        "Aliyun Linux 2.1903": "2.1903",
        "alinux:3": "3",
    },
    "almalinux": {
        "alma": None,
        "alma 9.2": "9.2",
        "alma:8.6": "8.6",
        "almalinux:9": "9",
        "AlmaLinux 8.6 (Sky Tiger)": "8.6",
    },
    "alpine": {
        "alpine:v3.12": "3.12",
        "alpine:edge": "edge",
        "alpine:3.19.0_alpha20230901": "3.19.0_alpha20230901",
        "alpine3.18": "3.18",
        "alpine-3.18.4": "3.18.4",
        "alpine 3.20.0_rc1": "3.20.0_rc1",
        "Alpine Linux v3.18": "3.18",
        "Alpine Linux edge": None,
        "ALPINE": None,
    },
    "amzn": {
        "amzn 2 (Karoo)": "2",
        "amzn:2018.03": "2018.03",
        "amzn2": "2",
        "amazon:2 (Karoo)": "2",
        "amazon 2023 (Amazon Linux)": "2023",
        "amazonlinux:2023": "2023",
        "Amazon Linux 2": "2",
        "Amazon Linux AMI 2018.03": "2018.03",
        "Amazon Linux 2023.3.20240108": "2023.3.20240108",
        "amazon-linux-2": "2",
    },
    "anolis": {"anolis": None, "anolis:8.6": "8.6", "Anolis OS 8.8": "8.8"},
    "arch": {"arch": None, "Arch Linux": None, "archlinux:20231112.0.191179": "20231112.0.191179"},
    "azurelinux": {
        "azurelinux:3.0": "3.0",
        "Microsoft Azure Linux 3.0": "3.0",
        "azurelinux 3.0.20240824": "3.0.20240824",
    },
    "bclinux": {"BigCloud Enterprise Linux 8.2 (Core)": "8.2", "bclinux 21.10": "21.10"},
    "bottlerocket": {"Bottlerocket OS 1.14.3 (aws-k8s-1.24)": "1.14.3", "bottlerocket:1.19.2": "1.19.2"},
    "busybox": {"BusyBox v1.35.0": "1.35.0", "busybox:1.36": "1.36"},
    "centos": {
        "CentOS Linux 7": "7",
        "CentOS Linux 7 (Core)": "7",
        "CentOS Linux release 7.9.2009 (Core)": "7.9.2009",
        "CentOS release 6.10 (Final)": "6.10",
        "CentOS Stream 9": "9",
        "centos-stream 8": "8",
        "CentOS7.9": "7.9",
        "centos7": "7",
        "centos7.6.0_x64": "7.6.0",
        "centos7.8.0_x64": "7.8.0",
        "centos8.0x86_64": "8.0",
        "centos7.2x86_64": "7.2",
        "centos-7-x86_64": "7",
        "centos_7.9": "7.9",
        "centos:7.6.0_x64": "7.6.0",
        "CentOS 7.6 64bit": "7.6",
        "CentOS 7.6 64位": "7.6",
        "CentOS 64位": None,
        "CentOS x86_64": None,
        "CentOSx86_64": None,
        "CentOS (aarch64)": None,
    },
    "chainguard": {"chainguard": None, "Chainguard 20230214": "20230214"},
    "clear-linux-os": {"Clear Linux OS": None, "clear-linux-os 39000": "39000"},
    "cos": {"Container-Optimized OS from Google": None, "Container-Optimized OS 109": "109"},
    "debian": {
        "Debian GNU/Linux 11 (bullseye)": "11",
        "Debian GNU/Linux 10.13 x64": "10.13",
        "Debian GNU/Linux bookworm/sid": None,
        "debian:bookworm/sid": "bookworm/sid",
        "debian:testing-20230101": "testing-20230101",
        "debian:12.5": "12.5",
        "debian12": "12",
        "debian-11": "11",
        "debian11x86_64": "11",
        "debian i386": None,
        "debian 9 i686": "9",
    },
    "deepin": {"Deepin 20.9": "20.9"},
    "euleros": {"EulerOS 2.0 (SP8)": "2.0", "EulerOS V2.0SP10": "2.0"},
    "fedora": {
        "Fedora Linux 38 (Container Image)": "38",
        "Fedora release 39 (Thirty Nine)": "39",
        "fedora:rawhide": "rawhide",
        "Fedora CoreOS 38.20230806.3.0": "38.20230806.3.0",
    },
    "flatcar": {"Flatcar Container Linux by Kinvolk 3510.2.0 (Oklo)": "3510.2.0"},
    "foo": {"foo:vivid": "vivid"},
    "gentoo": {"gentoo": None, "Gentoo Linux": None, "Gentoo Base System release 2.14": "2.14"},
    "hce": {"Huawei Cloud EulerOS 2.0 (x86_64)": "2.0", "hce:2.0": "2.0"},
    "k3os": {"k3OS v0.21.5": "0.21.5", "k3os": None},
    "kali": {"Kali GNU/Linux Rolling": None, "kali 2023.3": "2023.3"},
    "kylin": {
        "kylin V10 (SP2)": "10",
        "Kylin Linux Advanced Server V10 (Tercel)": "10",
        "Kylin V10 SP1": "10",
        "kylin:V10": "10",
        "kylinV10": "10",
        "kylin-V10": "10",
    },
    "linuxmint": {"Linux Mint 21.1": "21.1"},
    "mariner": {
        "cbl-mariner 2.0": "2.0",
        "cbl-mariner:2.0.20230303": "2.0.20230303",
        "CBL-Mariner/Linux": None,
        "CBL-Mariner 2.0.20230303": "2.0.20230303",
        "Common Base Linux Mariner 2.0": "2.0",
        "mariner:2.0": "2.0",
    },
    "neokylin": {"NeoKylin Linux Advanced Server release V7Update6": "7"},
    "nixos": {"NixOS 23.05 (Stoat)": "23.05"},
    "ol": {
        "oracle 8.6": "8.6",
        "oracle:9": "9",
        "oraclelinux:8": "8",
        "Oracle Linux Server 8.5": "8.5",
        "Oracle Linux Server release 7.9": "7.9",
        "ol8": "8",
    },
    "opencloudos": {"OpenCloudOS 8.6": "8.6", "opencloudos:9.0": "9.0"},
    "openeuler": {
        "openEuler 22.03 (LTS-SP1)": "22.03",
        "openEuler 20.03 LTS": "20.03",
        "openeuler:22.03 (LTS-SP1)": "22.03",
        "openEuler release 22.03 LTS": "22.03",
    },
    "opensuse": {
        "openSUSE Leap 15.3": "15.3",
        "opensuse-leap 15.4": "15.4",
        "opensuse-leap:15.3": "15.3",
        "opensuse.leap:42.3": "42.3",
        "opensuse-tumbleweed 20230801": "20230801",
        "openSUSE Tumbleweed": None,
    },
    "photon": {"photon 4.0": "4.0", "photon:3.0": "3.0", "VMware Photon OS 5.0": "5.0", "VMware Photon OS/Linux": None},
    "raspbian": {"Raspbian GNU/Linux 11 (bullseye)": "11"},
    "rhel": {
        "Red Hat Enterprise Linux 8.4": "8.4",
        "Red Hat Enterprise Linux Server release 7.9 (Maipo)": "7.9",
        "Red Hat Enterprise Linux 9.2 (Plow)": "9.2",
        "rhel:8.4": "8.4",
        "RHEL7.9": "7.9",
        "redhat 8.6": "8.6",
        "redhat:7": "7",
        "red-hat": None,
    },
    "rocky": {
        "rocky": None,
        "rocky:9.3": "9.3",
        "Rocky Linux 8.6 (Green Obsidian)": "8.6",
        "rockylinux:8": "8",
        "rocky-linux-8.6": "8.6",
    },
    "scientific": {"Scientific Linux release 7.9 (Nitrogen)": "7.9"},
    "scratch": {"scratch": None},
    "slackware": {"Slackware 15.0": "15.0"},
    "sles": {
        "SUSE Linux Enterprise Server 15 SP3": "15",
        "suse linux enterprise server 12.5": "12.5",
        "SLES 15.4": "15.4",
        "sles12sp5": "12",
    },
    "tencentos": {
        "tlinux2.4x86_64": "2.4",
        "tlinux2.2(tkernel3)x86_64": "2.2",
        "tlinux2.4(tkernel4)x86_64": "2.4",
        "tlinux3.1x86_64": "3.1",
        "TencentOS Server 3.1 (TK4)": "3.1",
        "TencentOS Server 2.4 (Final)": "2.4",
        "tencentos:3.1": "3.1",
        "Tencent tlinux 2.2": "2.2",
        "Tencent Linux release 2.4 (Final)": "2.4",
    },
    "ubuntu": {
        "ubuntu18.04.1x86_64": "18.04.1",
        "ubuntu16.04.1 LTSx86_64": "16.04.1",
        "ubuntu20.04x86_64": "20.04",
        "ubuntu22.04LTS": "22.04",
        "Ubuntu 22.04.1 LTS": "22.04.1",
        "Ubuntu Server 18.04.1 LTS 64bit": "18.04.1",
        "Ubuntu 20.04 arm64": "20.04",
        "Ubuntu Kinetic Kudu (development branch)": None,
        "ubuntu-22.04": "22.04",
        "ubuntu:18.04 LTS": "18.04",
        "Ubuntu: 18.04": "18.04",
    },
    "uos": {"uos 20": "20", "UnionTech OS Server 20 Enterprise": "20", "UnionTech OS Desktop 20 Home": "20"},
    "velinux": {"veLinux 1.0": "1.0"},
    "windows": {
        "Windows Server 2019 Datacenter": "2019",
        "Windows Server 2019 Datacenter 10.0.17763": "2019",
        "Windows Server 2012 R2": "2012",
        "Windows Server 2012R2": "2012",
        "windows_server_2022": "2022",
        "windows:10.0.17763.2114": "10.0.17763.2114",
        "Windows Server, version 20H2": "20H2",
        "Microsoft Windows": None,
        "windows": None,
        "windows/amd64": None,
        "Windows 64-bit": None,
    },
    "wolfi": {"wolfi": None, "Wolfi 20230201": "20230201", "wolfi:20230201": "20230201"},
    "中标麒麟": {"中标麒麟 V10": "10"},
    None: {
        "Linux": None,
        "linux/amd64": None,
        "GNU/Linux": None,
        "unknown": None,
        "none": None,
        "None:": None,
        "1.2": "1.2",
        "x86_64": None,
        ":": None,
        " ": None,
        "": None,
        "-": None,
    },
}
OS_NAMES = [(text, (family, version)) for family, names in SYSTEMS.items() for text, version in names.items()]


@pytest.mark.parametrize(("text", "expected"), OS_NAMES, ids=[text for text, _ in OS_NAMES])
def test_os_name(text: str, expected: tuple[str | None, str | None]) -> None:
    """The family groups what is one system, in whichever form it is named; the version stands alone, without a `v`."""
    assert split_os_name(text) == expected


@given(st.text(st.characters(exclude_categories=())) | st.text("abvV.:-_ 0189x64()", max_size=30))
def test_any_os_name(text: str) -> None:
    """Of any text there are a family in lower case and a version that stands in the text, or none."""
    family, version = split_os_name(text)
    assert family is None or (family and family == family.lower())
    assert version is None or (version and version in text)


@given(
    st.sampled_from(["ubuntu", "CentOS", "alpine", "tlinux", "Rocky Linux", "photon", "amzn"]),
    st.sampled_from(["", " ", "-", "_", ":", " v", ":v", " release ", "V"]),
    st.lists(st.integers(0, 9999), min_size=1, max_size=4).map(lambda numbers: ".".join(map(str, numbers))),
    st.sampled_from(["", " LTS", "LTS", " (Core)", "x86_64", "_x64", " x86_64", "-amd64", " 64bit", " SP3"]),
)
def test_a_version_is_never_cut(name: str, joint: str, version: str, behind: str) -> None:
    """In whichever way the parts are joined."""
    assert split_os_name(f"{name}{joint}{version}{behind}")[1] == version
