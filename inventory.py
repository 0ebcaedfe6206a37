# The hosts pyinfra works on, from the settings: groups `managers` and `workers`.
#
# pyinfra executes this file and takes every list or tuple without a leading underscore as a
# group of hosts; hence the underscores.
import sys as _sys
from fnmatch import fnmatch as _fnmatch
from importlib.util import find_spec as _find_spec
from pathlib import Path as _Path

from pyinfra import logger as _logger

_ROOT = _Path(__file__).resolve().parent


def _stop(_message):
    # Neither a traceback nor pyinfra's "error in inventory.py": the message says it all.
    _logger.error("--> %s", _message)
    raise SystemExit(1)


def _refuse_strangers():
    # pyinfra appends the working directory to the path, so an installed package with the name
    # of one of our folders would be used in its place, here and in every `fact facts.…`.
    if str(_ROOT) not in _sys.path:
        _sys.path.append(str(_ROOT))
    for _name in ("pyinfra_swarm", "facts", "lab"):
        if not (_ROOT / _name).is_dir():
            continue
        _spec = _find_spec(_name)
        _found = list(_spec.submodule_search_locations or [_spec.origin]) if _spec else []
        if not _found or _Path(_found[0]).resolve() != _ROOT / _name:
            _stop(
                f"Somebody else's package \"{_name}\" is in the way of this project's own\n\n"
                f"    found: {_found[0] if _found else 'nothing'}\n"
                f"    expected: {_ROOT / _name}\n"
                "    instead: uninstall it, or run pyinfra from a virtual environment of this "
                "project alone (README.md says how)"
            )


def _load():
    try:
        from pyinfra_swarm import settings
    except ModuleNotFoundError as error:
        _stop(
            f'The Python that runs pyinfra ({_sys.executable}) has no module "{error.name}"\n\n'
            "    instead: run the pyinfra of this project's virtual environment"
        )
    try:
        return settings.load(), settings.source()
    except settings.SettingsError as error:
        _stop(error)


def _refuse_a_limit_to_nobody():
    # pyinfra would run on no host at all, and end with exit code 0.
    _given = _internals.given_options()
    _names = [_host.name for _host in _settings.hosts]
    _groups = {
        "inventory": _names,
        "managers": [_host.name for _host in _settings.managers],
        "workers": [_host.name for _host in _settings.workers],
    }

    def _meant(_option):
        _found = set()
        for _pattern in _given.get(_option) or ():
            _matching = _groups.get(
                _pattern, [_name for _name in _names if _fnmatch(_name, _pattern)]
            )
            if not _matching:
                _no = "names nobody: there are none" if _pattern in _groups else "is no host's name"
                _stop(
                    f"--{_option} {_pattern} {_no}\n\n"
                    f"    instead: {', '.join(_names)}; or managers, workers; "
                    f"--{_option} can be repeated"
                )
            _found |= set(_matching)
        return _found

    if _meant("exclude") >= (_meant("limit") or set(_names)):
        _stop("--exclude leaves no host\n\n    instead: a narrower pattern, or a wider --limit")


def _many(_count, _word):
    return f"{_count} {_word}" if _count == 1 else f"{_count} {_word}s"


def _entry(_host, _ssh):
    _data = {
        "address": _host.address,
        "role": _host.role,
        "ssh_hostname": _host.ssh_host,
        "ssh_port": _host.ssh_port,
        "ssh_user": _host.ssh_user,
        "ssh_strict_host_key_checking": _ssh.strict_host_keys,
    }
    if _host.ssh_key:
        _data["ssh_key"] = _host.ssh_key
    if _ssh.known_hosts:
        _data["ssh_known_hosts_file"] = _ssh.known_hosts
    return (_host.name, _data)


_refuse_strangers()
_settings, _source = _load()

from pyinfra_swarm.run import command_line as _command_line  # noqa: E402  (only now is it certainly ours)
from pyinfra_swarm.run import pyinfra_internals as _internals  # noqa: E402
from pyinfra_swarm.run import story as _story  # noqa: E402

_refuse_a_limit_to_nobody()

_command_line.refuse_elsewhere()
_command_line.refuse_slips([_host.name for _host in _settings.hosts])

_logger.info(
    'Cluster "%s": %s (%s, %s) from %s',
    _settings.cluster.name,
    _many(len(_settings.hosts), "host"),
    _many(len(_settings.managers), "manager"),
    _many(len(_settings.workers), "worker"),
    _source,
)
_story.install()
for _warning in _settings.warnings:
    _logger.warning("%s", _warning)

managers = [_entry(_host, _settings.ssh) for _host in _settings.managers]
workers = [_entry(_host, _settings.ssh) for _host in _settings.workers]
