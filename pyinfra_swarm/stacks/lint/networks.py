"""S1 and S13: every overlay of a stack is encrypted, the one that nobody has written included."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra_swarm.run.wording import listed, verb
from pyinfra_swarm.stacks.compose import Merged, at
from pyinfra_swarm.stacks.document import Place, Scalar, Table
from pyinfra_swarm.stacks.lint.context import Context, Network, meant
from pyinfra_swarm.stacks.lint.issue import Issue, notice, refusal
from pyinfra_swarm.stacks.lint.rules import DEFAULT, ENCRYPTED, READABLE, Rule
from pyinfra_swarm.stacks.lint.services import Service, services

_WRITE = 'write driver_opts: { encrypted: "true" }'
_ENGINES_OWN = {"host", "bridge", "none", "ingress"}


def networks(stack: Merged, context: Context) -> Iterator[Issue]:
    """What is wrong with the networks that services are in; others are never created."""
    declared = stack.section("networks")
    users: dict[str, list[tuple[Service, Place]]] = {}
    for service in services(stack):
        for name, place in service.networks.items():
            users.setdefault(name, []).append((service, place))
    for name, used in users.items():
        network = declared.entries.get(name)
        place = declared.keys.get(name, network.place if network else used[0][1])
        if isinstance(network, Table):
            yield from _declared(stack, context, name, network, place)
        elif name == "default":
            yield from _implicit(used, stack)
        else:
            service, where = used[0]
            yield refusal(
                READABLE,
                where,
                service.path("networks", name),
                f"the network {name} is declared nowhere",
                f"declare {name} in the top-level networks",
            )


def made_networks(stack: Merged, name: str) -> frozenset[str]:
    """What the networks are called that a stack of this name makes, as far as its files say."""
    found = {f"{name}_default"}
    for key, network in stack.section("networks").entries.items():
        external, named = at(network, "external"), at(network, "name")
        if isinstance(external, Scalar) and external.value is True:
            continue
        given = named.value if isinstance(named, Scalar) and not named.unknown else None
        found.add(str(given or f"{name}_{key}"))
    return frozenset(found)


def _implicit(used: list[tuple[Service, Place]], stack: Merged) -> Iterator[Issue]:
    names = [service.name for service, _ in used]
    yield refusal(
        DEFAULT,
        used[0][1],
        "networks.default",
        f"{listed(names)} {verb(names, 'is', 'are')} in no network of this file, so docker makes "
        "one for them, STACK_default, an overlay without encryption: what they say to each other "
        "crosses the wires in clear text",
        'declare it: networks: { default: { driver_opts: { encrypted: "true" } } }',
    )


def _declared(
    stack: Merged, context: Context, name: str, network: Table, place: Place
) -> Iterator[Issue]:
    rule = DEFAULT if name == "default" else ENCRYPTED
    path = f"networks.{name}"
    external = at(network, "external")
    if isinstance(external, Scalar) and external.unknown:
        return
    if isinstance(external, Scalar) and external.value is True:
        yield from _external(context, rule, name, network, place)
        return
    driver = at(network, "driver")
    if isinstance(driver, Scalar) and driver.value not in (None, "", "overlay"):
        return  # another one, or one that is unknown
    option = at(network, "driver_opts", "encrypted")
    if isinstance(option, Scalar) and option.unknown:
        return
    if option is None:
        before = stack.replaced.get(("networks", name))
        lost = (
            f". It takes the place of the one in {before.file}, line {before.line}: docker joins "
            "services, and replaces networks"
            if before
            else ""
        )
        yield refusal(
            rule,
            place,
            path,
            "is an overlay without encryption: what its containers say to each other crosses the "
            f"wires in clear text{lost}",
            _WRITE,
        )
    elif isinstance(option, Scalar) and str(option.value).lower() not in ("true", ""):
        yield refusal(
            rule,
            option.place,
            f"{path}.driver_opts.encrypted",
            f"is {option.shown}, which encrypts all the same: the engine looks whether the option "
            "is there, not at what it says. People and this package's firewall take the network "
            "for one without encryption",
            'write "true"',
        )
    else:
        yield from _as_it_is(context, rule, name, network, place)


def _as_it_is(
    context: Context, rule: Rule, name: str, network: Table, place: Place
) -> Iterator[Issue]:
    """A network that is there already stays as it is, whatever the file says now."""
    named = at(network, "name")
    if not (context.stack or named):
        return
    given = named.value if isinstance(named, Scalar) else None
    real = str(given or f"{context.stack}_{name}")
    there = context.networks.get(real)
    if there and _is_clear(there):
        yield refusal(
            rule,
            place,
            f"networks.{name}",
            f"the network {real} is there already, without encryption, and docker never changes "
            "a network",
            "give this one another name in the file; or remove the stack, and deploy it again",
        )


def _external(
    context: Context, rule: Rule, name: str, network: Table, place: Place
) -> Iterator[Issue]:
    named = at(network, "name")
    if isinstance(named, Scalar) and named.unknown:
        return
    given = named.value if isinstance(named, Scalar) else None
    real = str(given or name)
    there = context.networks.get(real)
    if context.alone and there is None and real not in _ENGINES_OWN:
        yield notice(
            ENCRYPTED,
            place,
            f"networks.{name}",
            f"the network {real} is not declared: docker refuses the deploy, unless somebody has "
            "made it by hand, and nobody knows then whether it is encrypted",
            meant(
                real,
                context.networks,
                f'add {{ name = "{real}" }} to networks.overlays of cluster.toml',
            ),
        )
    if real not in _ENGINES_OWN and there and _is_clear(there):
        yield refusal(
            rule,
            place,
            f"networks.{name}",
            f"the network {real} is an overlay without encryption: what its containers say to "
            "each other crosses the wires in clear text",
            f"declare an overlay of another name in networks.overlays of cluster.toml, use it "
            f"here, and remove {real} when nobody is in it",
        )


def _is_clear(network: Network) -> bool:
    return network.driver == "overlay" and not network.encrypted
