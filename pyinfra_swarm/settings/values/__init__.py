"""The kinds of values that settings are made of, by subject.

Each kind says what a value must look like and what to write instead. Every kind is a string, an
integer or a boolean in its canonical form, so that settings can be compared, printed and put into
commands as they are.
"""

from typing import Literal

from pyinfra_swarm.settings.values.addresses import (
    Address,
    Network,
    Networks,
    OptionalAddress,
    OptionalAddress6,
    OptionalEndpoint,
    OptionalSubnet,
    OptionalVpnAddress,
    Source,
    SourceOrVpn,
    SourceOrWord,
    SshHost,
    Subnet,
    VpnAddress,
)
from pyinfra_swarm.settings.values.applications import (
    Command,
    ConfigName,
    Identity,
    OptionalProjectFile,
    OptionalSecretName,
    OptionalVariable,
    ProjectFile,
    SecretName,
    SopsKey,
    StackFiles,
    StackName,
    StackValue,
    Variable,
)
from pyinfra_swarm.settings.values.engine import DaemonKey, Json, LogSize, Repository, Version
from pyinfra_swarm.settings.values.exposure import Domain, Image, WebHost
from pyinfra_swarm.settings.values.file_paths import BackupFolder, FilePath, KeyPath, UnlockKeyPath
from pyinfra_swarm.settings.values.keys import Fingerprint, PublicKey, Recipient, WireGuardKey
from pyinfra_swarm.settings.values.names import (
    ClusterName,
    HostName,
    InterfaceName,
    LabelKey,
    LabelValue,
    Login,
    NetworkName,
    OptionalInterface,
    OptionalLogin,
    PeerName,
    UserName,
)
from pyinfra_swarm.settings.values.numbers import (
    DataPathPort,
    Mtu,
    OptionalPort,
    Port,
    PortRange,
    Whole,
)
from pyinfra_swarm.settings.values.times import Duration, OptionalDuration, Schedule
from pyinfra_swarm.settings.values.ways_in import (
    AccountName,
    ContainerName,
    EngineHost,
    HostPath,
    Job,
    Listening,
    SshdKeyword,
)

Role = Literal["manager", "worker"]
Availability = Literal["active", "pause", "drain"]

__all__ = [
    "AccountName",
    "Address",
    "Availability",
    "BackupFolder",
    "ClusterName",
    "Command",
    "ConfigName",
    "ContainerName",
    "DaemonKey",
    "DataPathPort",
    "Domain",
    "Duration",
    "EngineHost",
    "FilePath",
    "Fingerprint",
    "HostName",
    "HostPath",
    "Identity",
    "Image",
    "InterfaceName",
    "Job",
    "Json",
    "KeyPath",
    "LabelKey",
    "LabelValue",
    "Listening",
    "LogSize",
    "Login",
    "Mtu",
    "Network",
    "NetworkName",
    "Networks",
    "OptionalAddress",
    "OptionalAddress6",
    "OptionalDuration",
    "OptionalEndpoint",
    "OptionalInterface",
    "OptionalLogin",
    "OptionalPort",
    "OptionalProjectFile",
    "OptionalSecretName",
    "OptionalSubnet",
    "OptionalVariable",
    "OptionalVpnAddress",
    "PeerName",
    "Port",
    "PortRange",
    "ProjectFile",
    "PublicKey",
    "Recipient",
    "Repository",
    "Role",
    "Schedule",
    "SecretName",
    "SopsKey",
    "Source",
    "SourceOrVpn",
    "SourceOrWord",
    "SshHost",
    "SshdKeyword",
    "StackFiles",
    "StackName",
    "StackValue",
    "Subnet",
    "UnlockKeyPath",
    "UserName",
    "Variable",
    "Version",
    "VpnAddress",
    "WebHost",
    "Whole",
    "WireGuardKey",
]
