"""Rewrites URLs of PostgreSQL and MySQL, so that each connection of ours reaches the same server with the same
settings: texts are in UTF-8, and MySQL refuses texts that do not fit."""

import getpass
import os
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import quote, unquote

from sqlalchemy.engine import URL, make_url

from connector.errors import ConfigurationError

_PORT = "5432"
_SEVERAL_HOSTS = re.compile(r"(postgres(?:ql)?(?:\+\w+)?://(?:[^@]*@)?)([^@/?]*,[^@/?]*)((?:[/?].*)?)", re.DOTALL)
_FILE = re.compile("cert|key|crl|_ca|file", re.IGNORECASE)  # in names of options
_HOST_WITH_OTHER_PORT = re.compile(r"[^\[/:]+:[^:]*")
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*|/.*):(\d+)")

# The options that PyMySQL takes from a URL as text or number, and those that SQLAlchemy converts for PyMySQL.
_MYSQL_OPTIONS = (
    *("bind_address", "charset", "client_flag", "collation", "connect_timeout", "init_command", "program_name"),
    *("read_default_file", "read_default_group", "read_timeout", "sql_mode", "ssl_ca", "ssl_capath", "ssl_cert"),
    *("ssl_check_hostname", "ssl_cipher", "ssl_key", "ssl_mode", "unix_socket", "write_timeout"),
)
# The name of an option in MySQL's own programs: its name in PyMySQL.
_SSL_MODES: dict[str, dict[str, str]] = {
    "DISABLED": {"ssl_disabled": "true"},
    "PREFERRED": {},
    "REQUIRED": {"ssl_check_hostname": "false"},
    "VERIFY_CA": {"ssl_check_hostname": "false"},
    "VERIFY_IDENTITY": {"ssl_check_hostname": "true"},
}
STRICT = ("STRICT_ALL_TABLES", "NO_ENGINE_SUBSTITUTION")
# SQLAlchemy 2.0 neither writes nor replaces the escapes of a URL in the database's name, or in the file's path.
KEEPS_ESCAPES = make_url("sqlite:///a%20b").database == "a%20b"


def rendered(url: URL) -> str:
    """Return the URL as text, with its password, from which `locations.read_url` makes the same URL."""
    if KEEPS_ESCAPES and url.database:
        url = url.set(database=quote(url.database))
    return url.render_as_string(hide_password=False)


def separated(text: str) -> str:
    """Rewrite libpq's form of several hosts, `//h1:5432,h2:5432/database`, in a form that SQLAlchemy can read."""
    found = _SEVERAL_HOSTS.fullmatch(text)
    if found is None or ("@" in found[3] and "@" not in found[1]):  # the comma stands in a password
        return text
    before, hosts, after = found.groups()
    return f"{before}{after}{'&' if '?' in after else '?'}host={quote(unquote(hosts))}"


KEEPALIVE = {"keepalives_idle": "60", "keepalives_interval": "10", "keepalives_count": "6"}
"""Seconds, and a number: when a statement notices that the path to the server is gone without a word, as when a router
has forgotten the connection. By the system's own settings it would wait for two hours."""


def postgresql(url: URL) -> URL:
    """Return the URL with user, host and port, because dlt needs them; more hosts or a socket's directory are in the
    query."""
    hosts, ports = zip(*_addresses(url), strict=True)
    # libpq would wait for a host that does not answer as long as the system does. Its encoding is ours, whatever
    # PGCLIENTENCODING, the user's and the database's settings say; a parameter wins over `options`.
    query = {"connect_timeout": "10", **KEEPALIVE, **url.query, "client_encoding": "utf8"}
    plain = len(hosts) == 1 and "/" not in hosts[0]
    where = {} if plain else {"host": ",".join(hosts), "port": ",".join(ports)}
    return url.set(
        username=url.username or os.environ.get("PGUSER") or _user("PostgreSQL", "set PGUSER"),
        password=url.password or "",  # libpq takes an empty password for none, and then asks PGPASSWORD and ~/.pgpass
        host="localhost" if "/" in hosts[0] else hosts[0],
        port=int(ports[0]),
        query={**{name: value for name, value in query.items() if name not in ("host", "port")}, **where},
    )


def _addresses(url: URL) -> Iterator[tuple[str, str]]:
    """Yield hosts or sockets, each with a port. Without a port, only some of our connections would use PGPORT."""
    hosts = texts_of(url.query.get("host") or unquote(url.host or "localhost"))
    ports = texts_of(url.query.get("port") or str(url.port or _PORT))
    for number, host in enumerate(hosts):
        name, port = found.groups() if (found := _HOST.fullmatch(host)) else (host, "")
        port = port or ports[min(number, len(ports) - 1)]
        if not port.isdecimal() or _HOST_WITH_OTHER_PORT.fullmatch(name):
            raise ConfigurationError("a port in the PostgreSQL URL is not a number")  # it may be a password
        yield name.strip("[]"), port


def texts_of(given: str | Sequence[str]) -> list[str]:
    """Return the parts of an option that is given several times, or once with commas."""
    return [text for part in ([given] if isinstance(given, str) else given) for text in part.split(",")]


def with_whole_paths(url: URL) -> URL:
    """Return the URL with absolute paths for the files that its options name, such as `sslrootcert=ca.pem`."""
    files = {
        name: str(Path(value).absolute())
        for name, value in url.query.items()
        if _FILE.search(name) and isinstance(value, str) and Path(value).exists()
    }
    return url.update_query_dict(files)


def _user(server: str, instead: str) -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise ConfigurationError(
            f"the {server} URL names no user, and the user {os.getuid()} of this process has no name",
            hint=f"Write {server.lower()}://user:password@host/database, or {instead}.",
        ) from None


def mysql(url: URL) -> URL:
    """Return the URL with PyMySQL's names of options. Raises ConfigurationError for options that PyMySQL lacks."""
    query = {name.lower().replace("-", "_"): value for name, value in url.query.items()}
    for name in query:
        if name not in _MYSQL_OPTIONS:
            close = get_close_matches(name, _MYSQL_OPTIONS, 1)
            hint = f"Did you mean {close[0]}?" if close else f"Options: {', '.join(_MYSQL_OPTIONS)}."
            shown = name if re.fullmatch("[a-z_]+", name) else "of the name that is given"
            raise ConfigurationError(f"a MySQL URL has no option {shown}", hint=hint)
    if not url.username and "read_default_file" not in query:
        _user("MySQL", "add read_default_file=~/.my.cnf")
    modes = (*texts_of(query.get("sql_mode", ())), *STRICT)
    query |= {"charset": "utf8mb4", "sql_mode": ",".join(modes), **_ssl(query)}
    query.pop("ssl_mode", None)
    # PyMySQL sends the password as Latin-1, and the server compares the bytes of UTF-8.
    password = None if url.password is None else url.password.encode().decode("latin-1")
    return url.set(password=password, query=query)


def _ssl(query: dict[str, str | tuple[str, ...]]) -> dict[str, str]:
    if "ssl_mode" not in query:
        return {}
    mode = str(query["ssl_mode"]).upper()
    if mode not in _SSL_MODES:
        shown = mode if re.fullmatch("[A-Z_]+", mode) else "as given"
        raise ConfigurationError(f"ssl-mode {shown} is none of {', '.join(_SSL_MODES)}")
    if mode.startswith("VERIFY") and "ssl_ca" not in query:
        raise ConfigurationError(f"ssl-mode {mode} needs the authority's certificate", hint="Add ssl-ca=file.pem.")
    return _SSL_MODES[mode]
