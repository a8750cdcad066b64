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
