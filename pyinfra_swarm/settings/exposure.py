"""How the world reaches the services: `[exposure]`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pyinfra_swarm.settings import values
from pyinfra_swarm.settings.exposure_modes import OWN_STACK, Mode
from pyinfra_swarm.settings.section import Section

CLOUDFLARED = (
    "cloudflare/cloudflared:2026.10.0"
    "@sha256:9b49eed8f62806d5d45ddf59ecefb5710429598ea6d3fcccd2af938f621b2b07"
)
CLOUDFLARE_DDNS = (
    "favonia/cloudflare-ddns:1.17.0"
    "@sha256:61013368c8f95981c0bb8bf56d962078d8b4e95724a554fa2dabb20d6e478097"
)
"""The images, by the digest of their index: it names the image of each architecture by a digest of
its own, so it fixes them all."""

_A_DECLARED_SECRET = (
    "the name of a secret that is declared in [[secrets]], which says where the token is; replace "
    "the token if this file was shared"
)


class Tunnel(Section):
    """A Cloudflare tunnel, which services of ours keep open from inside.

    + token: the secret, as it is called in `[[secrets]]`, that holds the tunnel's token
    + replicas: how many connectors, each on a node of its own
    + protocol: what they speak with Cloudflare
    + network: the encrypted overlay network in which they find your services
    """

    token: values.OptionalSecretName = ""
    image: values.Image = CLOUDFLARED
    replicas: Annotated[values.Whole, Field(ge=1, le=25)] = 2
    protocol: Literal["auto", "quic", "http2"] = "auto"
    network: values.NetworkName = "edge"

    instead_of_secrets: ClassVar[str] = _A_DECLARED_SECRET


class DynamicDns(Section):
    """A service of ours that keeps names in Cloudflare's DNS at the address that is yours today.

    + domains: the names; none for no such service
    + token: the secret, as it is called in `[[secrets]]`, that holds a token for Cloudflare's API
    + proxied: whether visitors come through Cloudflare
    + ipv6: whether the names get an IPv6 address, too: that of the node where the service runs
    """

    domains: tuple[values.Domain, ...] = ()
    token: values.OptionalSecretName = ""
    proxied: bool = True
    ipv6: bool = False
    image: values.Image = CLOUDFLARE_DDNS

    instead_of_secrets: ClassVar[str] = _A_DECLARED_SECRET


class OriginPulls(Section):
    """Whether your proxy demands Cloudflare's certificate (authenticated origin pulls): a check.

    + hosts: the names that it is asked for; none for no check
    + ca: a file with the certificate that has signed Cloudflare's
    + certificate: a file with the client certificate, if it is your own; its end is watched
    + key: the secret, as it is called in `[[secrets]]`, that holds its key
    + port: where the proxy answers, on every node
    """

    hosts: tuple[values.WebHost, ...] = ()
    ca: values.OptionalProjectFile = ""
    certificate: values.OptionalProjectFile = ""
    key: values.OptionalSecretName = ""
    port: values.Port = 443

    instead_of_secrets: ClassVar[str] = _A_DECLARED_SECRET


class Exposure(Section):
    """How the world reaches the services.

    + mode: through published ports, through a tunnel, or not at all
    + address: one IPv4 address that a healthy host holds at any time; "" for none
    + address6: an IPv6 address that moves together with it; "" for none
    + interface: of the hosts, where they are held; "": the one that has the host's own address
    + cgnat_hint: whether it is told that the provider's network looks like one that lets nobody in
    """

    mode: Mode = "ports"
    address: values.OptionalAddress = ""
    address6: values.OptionalAddress6 = ""
    interface: values.OptionalInterface = ""
    cgnat_hint: bool = True
    tunnel: Tunnel = Tunnel()
    dynamic_dns: DynamicDns = DynamicDns()
    origin_pulls: OriginPulls = OriginPulls()

    @property
    def own_stack(self) -> str:
        """The name of the stack that is deployed for it; "" for none."""
        return OWN_STACK if self.mode == "tunnel" or self.dynamic_dns.domains else ""
