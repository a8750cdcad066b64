"""Holds words for details: packages, kinds of weakness, sentences."""

from collections.abc import Sequence

# packages of a system, the most common ones first
SYSTEM_PACKAGES = (
    *("openssl", "glibc", "zlib", "curl", "systemd", "expat", "krb5", "libxml2", "ncurses", "sqlite", "perl", "tar"),
    *("gnutls", "libtiff", "util-linux", "bash", "busybox", "coreutils", "pam", "shadow", "openldap", "libgcrypt"),
)
LIBRARIES = (
    *("log4j-core", "spring-web", "jackson-databind", "netty-handler", "lodash", "express", "requests", "urllib3"),
    *("(apache) struts", "golang.org/x/net", "guava", "werkzeug", "pillow", "protobuf-java", "commons-text", "axios"),
)
SUBPACKAGES = ("", "-libs", "-dev", "-data")

CATEGORIES = (
    *("CODE_INJECTION", "BUFFER_OVERFLOW", "DENIAL_OF_SERVICE", "INFORMATION_LEAK", "USE_AFTER_FREE"),
    *("PATH_TRAVERSAL", "XSS", "DESERIALIZATION"),
)
TAGS = ("DynamicLevelPoc", "DynamicLevelExp", "NETWORK")

# Well-known vulnerabilities: (kind, level, number) -> CVE, title, package, versions that fix it.
FAMOUS = {
    ("WEB", 4, 0): ("CVE-2021-44228", "Apache Log4j2 remote code execution", "log4j-core", "2.15.0"),
    ("WEB", 4, 1): ("CVE-2022-22965", "Spring Framework remote code execution", "spring-web", "5.3.18"),
    ("SYSTEM", 3, 0): ("CVE-2022-0778", "OpenSSL infinite loop in BN_mod_sqrt()", "openssl", "1.1.1n"),
}

_SENTENCES = (
    "A remote attacker can send a crafted message that makes the process read beyond its buffer. ",
    "The flaw is in the parser of options, which trusts a length from the network. ",
    "漏洞源于对输入的长度缺乏校验，攻击者可利用该漏洞执行任意代码。",
    "Systems are affected whose configuration has <b>not</b> been changed & whose service listens on all addresses. ",
    "Exploitation needs no privileges; integrity and availability can be lost. ",
    'The maintainers advise: "update, then restart every service that loads the library". ',
)


def text(mark: int, length: int) -> str:
    """Return a text of about so many characters, always the same for a mark."""
    chosen = [_SENTENCES[(mark >> (3 * step)) % len(_SENTENCES)] for step in range(8)]
    whole = "".join(chosen)
    return (whole * (length // len(whole) + 1))[:length]


def pick(words: Sequence[str], mark: int) -> str:
    """Return one of the words; words at the beginning are more likely."""
    size = len(words)
    return words[min(mark % size, (mark // size) % size)]
