"""What a user declares for a cluster, validated as a whole: :class:`Settings` and its sections.

`Settings(**mapping)` validates plain values and looks at nothing else. Everything that is wrong is
raised at once, as a `SettingsError`. Settings hold no secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from pyinfra_swarm.settings import consistency, values
from pyinfra_swarm.settings.applications import Config, Secret, Stack
from pyinfra_swarm.settings.errors import (
    Problem,
    SecretFound,
    SettingsError,
    UnknownHost,
    nearest,
    secret_values_in,
    secrets_in,
    without_secrets,
)
from pyinfra_swarm.settings.explain import explained
from pyinfra_swarm.settings.exposure import Exposure
from pyinfra_swarm.settings.exposure_conflicts import exposure_conflicts, exposure_warnings
from pyinfra_swarm.settings.exposure_modes import mode_closes_the_web
from pyinfra_swarm.settings.paths import from_user, project
from pyinfra_swarm.settings.renamed import with_new_names
from pyinfra_swarm.settings.section import Section
from pyinfra_swarm.settings.values.addresses import VPN_NETWORK, VPN_PORT
from pyinfra_swarm.settings.values.times import seconds
from pyinfra_swarm.settings.written import table


class Cluster(Section):
    name: values.ClusterName = "home"


class Host(Section):
    """One host.

    The `ssh_…` values of a host in `Settings.hosts` are the effective ones: its own, else those
    of `[ssh]`, and for `ssh_host` the address. `ssh_key` is "" where SSH is to find a key itself.
    """

    name: values.HostName
    address: values.Address
    role: values.Role
    labels: dict[values.LabelKey, values.LabelValue] = Field(default_factory=dict)
    availability: values.Availability | None = None
    ssh_host: values.SshHost = ""
    ssh_port: values.OptionalPort = 0
    ssh_user: values.OptionalLogin = ""
    ssh_key: values.KeyPath = ""
    vpn_address: values.OptionalVpnAddress = ""
    vpn_endpoint: values.OptionalEndpoint = ""

    @property
    def is_manager(self) -> bool:
        return self.role == "manager"


class Admin(Section):
    """A user who may log in and use sudo; `keys` includes those of `keys_file` once loaded."""

    name: values.Login
    keys: tuple[values.PublicKey, ...] = ()
    keys_file: values.FilePath = ""


class Peer(Section):
    """A computer that may come in through WireGuard: its public key, and its address there."""

    name: values.PeerName
    public_key: values.WireGuardKey
    address: values.VpnAddress


class WireGuard(Section):
    """The VPN that is set up on the hosts; each host has its `vpn_address` in this network."""

    interface: values.InterfaceName = "wg0"
    network: values.Subnet = VPN_NETWORK
    port: values.Port = VPN_PORT
    peers: tuple[Peer, ...] = ()


class Access(Section):
    """Who gets in, through which VPN, and what of that is meant although it is no admin.

    `vpn_reaches`: what whoever comes through it may reach: what is declared for it, or everything.
    The lists name what is not reported: `root_equals` users who are as good as root, `passwords`
    users whose password may be used, `login_files` what sshd runs at a login, `listening` ports
    with their protocol or processes, `jobs` files of jobs or other tools' services.
    """

    admins: tuple[Admin, ...] = ()
    others: Literal["report", "deny"] = "report"
    root_equals: tuple[values.AccountName, ...] = ()
    root_keys: tuple[values.PublicKey, ...] = ()
    passwords: tuple[values.AccountName, ...] = ()
    sshd: tuple[values.SshdKeyword, ...] = ()
    login_files: tuple[values.HostPath, ...] = ()
    listening: tuple[values.Listening, ...] = Field(default=(), examples=[["9100/tcp"]])
    jobs: tuple[values.Job, ...] = ()
    vpn: Literal["", "wireguard", "tailscale", "netbird"] = ""
    vpn_reaches: Literal["declared", "everything"] = "declared"
    wireguard: WireGuard = WireGuard()

    @property
    def vpn_interface(self) -> str:
        """The interface that whoever comes through the VPN comes in by; "" without a VPN."""
        names = {"wireguard": self.wireguard.interface, "tailscale": "tailscale0"}
        return {**names, "netbird": "wt0"}.get(self.vpn, "")

    @property
    def vpn_port(self) -> int:
        """Where the VPN itself listens, UDP; 0 without a VPN."""
        ports = {"wireguard": self.wireguard.port, "tailscale": 41641, "netbird": 51820}
        return ports.get(self.vpn, 0)


class Ssh(Section):
    user: values.Login = "ubuntu"
    port: values.Port = 22
    key: values.KeyPath = ""
    known_hosts: values.FilePath = ""
    strict_host_keys: Literal["yes", "accept-new", "no"] = "accept-new"
    use_pam: bool = False
    crypto: Literal["strict", "system"] = "strict"
    forwarding: tuple[Literal["local", "remote", "agent", "x11", "tunnel"], ...] = ("local",)
    max_auth_tries: Annotated[values.Whole, Field(ge=2, le=50)] = 4
    login_grace_time: Annotated[values.Whole, Field(ge=10, le=600)] = 30
    rollback_after: Annotated[values.Whole, Field(ge=20, le=900)] = 60

    @field_validator("strict_host_keys", mode="before")
    @classmethod
    def _yes_and_no_are_words(cls, value: Any) -> Any:
        return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value


class Updates(Section):
    unattended: bool = True
    time_sync: bool = True


class Docker(Section):
    version: values.Version = ""
    repository: values.Repository = "https://download.docker.com/linux"
    key_fingerprint: values.Fingerprint = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
    users: tuple[values.UserName, ...] = ()
    trusted: tuple[values.ContainerName, ...] = ()
    api: tuple[values.EngineHost, ...] = ()
    log_max_size: values.LogSize = "10m"
    log_max_files: Annotated[values.Whole, Field(ge=1, le=1000)] = 3
    icc: bool = False
    no_new_privileges: bool = True
    userland_proxy: bool = True
    daemon: dict[values.DaemonKey, values.Json] = Field(default_factory=dict)


class Opening(Section):
    """A port that is open, on the hosts themselves and published by containers.

    `sources`: networks; "cluster" for the cluster's own addresses, "vpn" for whoever comes through
    the declared VPN; empty for everywhere.
    """

    port: values.PortRange
    protocol: Literal["tcp", "udp"] = "tcp"
    sources: tuple[values.SourceOrWord, ...] = ()


class Firewall(Section):
    enabled: bool = True
    inbound: Literal["deny", "accept"] = "deny"
    ssh_sources: tuple[values.SourceOrVpn, ...] = ()
    web: Literal["cloudflare", "open", "closed", "listed"] = "cloudflare"
    web_sources: tuple[values.Source, ...] = ()
    web_ports: tuple[values.Port, ...] = (80, 443)
    open: tuple[Opening, ...] = ()
    closed: tuple[values.PortRange, ...] = ()
    drop_cleartext_vxlan: bool = False
    refresh: values.Schedule = "daily"
    max_age: values.Duration = "7d"

    @property
    def max_age_seconds(self) -> int:
        return seconds(self.max_age)


class Swarm(Section):
    address_pool: values.Networks = ("10.200.0.0/16",)
    subnet_size: Annotated[values.Whole, Field(ge=1, le=29)] = 24
    data_path_port: values.DataPathPort = 4789
    certificate_expiry: values.Duration = "90d"
    autolock: bool = False
    unlock_key_file: values.UnlockKeyPath = ""
    init_without: tuple[str, ...] = ()

    @property
    def certificate_expiry_seconds(self) -> int:
        return seconds(self.certificate_expiry)

    @property
    def unlock_key_path(self) -> Path | None:
        """Where the unlock key is kept on this machine; `None` where autolock is left alone."""
        return from_user(self.unlock_key_file) if self.unlock_key_file else None


class Overlay(Section):
    """An overlay network to exist; encrypted, as all of them are. `subnet` "": from the pool."""

    name: values.NetworkName
    subnet: values.OptionalSubnet = ""
    attachable: bool = False


class Networks(Section):
    ingress_subnet: values.Subnet = "10.201.0.0/24"
    mtu: values.Mtu = 0
    overlays: tuple[Overlay, ...] = ()


class Backup(Section):
    """Where backups of the swarm's state go, and whose keys open them."""

    recipients: tuple[values.Recipient, ...] = ()
    folder: values.BackupFolder = "~/swarm-backups"
    keep: Annotated[values.Whole, Field(ge=1, le=10000)] = 14


class Settings(BaseModel):
    """All settings of one cluster. Immutable; equal settings compare equal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cluster: Cluster = Cluster()
    hosts: tuple[Host, ...]
    access: Access = Access()
    ssh: Ssh = Ssh()
    updates: Updates = Updates()
    docker: Docker = Docker()
    firewall: Firewall = Firewall()
    swarm: Swarm = Swarm()
    networks: Networks = Networks()
    exposure: Exposure = Exposure()
    backup: Backup = Backup()
    secrets: tuple[Secret, ...] = ()
    configs: tuple[Config, ...] = ()
    stacks: tuple[Stack, ...] = ()

    _notices: tuple[str, ...] = PrivateAttr(default=())
    _folder: Path | None = PrivateAttr(default=None)

    def read_from(self, folder: Path, notices: tuple[str, ...]) -> Settings:
        """The same settings, with the folder of their file, and more warnings of what was read."""
        made = self.model_copy()
        made._folder = folder
        made._notices = (*self._notices, *notices)
        return made

    @property
    def folder(self) -> Path:
        """What relative paths of secrets, configs and stacks start from: the file's folder.

        The project's, where the settings come from no file.
        """
        return self._folder or project()

    @property
    def managers(self) -> tuple[Host, ...]:
        """The declared managers, in the order of the file."""
        return tuple(host for host in self.hosts if host.is_manager)

    @property
    def workers(self) -> tuple[Host, ...]:
        """The declared workers, in the order of the file."""
        return tuple(host for host in self.hosts if not host.is_manager)

    @property
    def warnings(self) -> list[str]:
        """What is accepted but questionable, old names of keys among it; one sentence each."""
        return [
            *self._notices,
            *consistency.warnings(len(self.managers), len(self.workers)),
            *exposure_warnings(self.exposure, enabled=self.firewall.enabled, web=self.firewall.web),
        ]

    @property
    def overlays(self) -> tuple[Overlay, ...]:
        """The overlay networks to exist: the declared ones, and what a tunnel needs."""
        declared, tunnel = self.networks.overlays, self.exposure.tunnel.network
        if self.exposure.mode != "tunnel" or any(one.name == tunnel for one in declared):
            return declared
        return (*declared, Overlay(name=tunnel))

    def host(self, name: str) -> Host:
        """The host of this name. Raises `UnknownHost`, with the nearest name."""
        for host in self.hosts:
            if host.name == name:
                return host
        names = [host.name for host in self.hosts]
        meant = nearest(name, names)
        hint = f'did you mean "{meant}"?' if meant else f"there are {', '.join(names)}"
        raise UnknownHost(f'no host is named "{name}": {hint}')

    def admins(self, host: Host) -> tuple[Admin, ...]:
        """Who may log in to this host: the declared admins, else the user of the runs.

        An admin without keys keeps the keys the host has for them.
        """
        return self.access.admins or (Admin(name=host.ssh_user),)

    @model_validator(mode="wrap")
    @classmethod
    def _all_problems_at_once(
        cls, data: Any, handler: ModelWrapValidatorHandler[Settings]
    ) -> Settings:
        modern = with_new_names(_plain(data))
        plain = modern.values
        problems = [*modern.problems, *secrets_in(plain, plain, cls)]
        made = None
        try:
            made = handler(plain)
        except ValidationError as error:
            problems += explained(error, plain, cls)
        problems += consistency.problems(_with_defaults(without_secrets(plain), cls))
        problems += exposure_conflicts(without_secrets(plain))
        problems += secret_values_in(plain, plain, cls)
        if problems or made is None:
            raise SettingsError(_once_each(problems))
        made._notices = modern.notices
        object.__setattr__(made, "hosts", tuple(_effective(host, made.ssh) for host in made.hosts))
        if mode_closes_the_web(made.exposure.mode) and "web" not in made.firewall.model_fields_set:
            closed = made.firewall.model_copy(update={"web": "closed"})
            object.__setattr__(made, "firewall", closed)
        return made


def _effective(host: Host, ssh: Ssh) -> Host:
    return host.model_copy(
        update={
            "ssh_host": host.ssh_host or host.address,
            "ssh_port": host.ssh_port or ssh.port,
            "ssh_user": host.ssh_user or ssh.user,
            "ssh_key": host.ssh_key or ssh.key,
        }
    )


def _plain(data: Any) -> dict[str, Any]:
    """The input with its models, if any, turned into plain mappings and lists."""

    def plain(value: Any) -> Any:
        if isinstance(value, BaseModel):
            return {name: plain(getattr(value, name)) for name in value.model_fields_set}
        if isinstance(value, Mapping):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return value

    made = plain(data)
    return made if isinstance(made, dict) else {}


def _with_defaults(plain: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    filled = dict(plain)
    for name, field in model.model_fields.items():
        default = field.default
        given = plain.get(name, {})
        if isinstance(default, Section) and isinstance(given, Mapping):
            filled[name] = {**default.model_dump(), **given}
    exposure, firewall = table(filled, "exposure"), table(plain, "firewall")
    if mode_closes_the_web(str(exposure.get("mode"))) and "web" not in firewall:
        filled["firewall"] = {**table(filled, "firewall"), "web": "closed"}
    return filled


def _once_each(problems: list[Problem]) -> list[Problem]:
    """Where there is a secret, that alone: what else is wrong there could give it away."""
    secret = {one.field: one.reason for one in reversed(problems) if isinstance(one, SecretFound)}
    seen: set[tuple[str, str]] = set()
    kept = []
    for problem in problems:
        said = (problem.field, problem.reason)
        if said not in seen and secret.get(problem.field, problem.reason) == problem.reason:
            seen.add(said)
            kept.append(problem)
    return kept
