"""The whole job, in the order in which it is safe.

pyinfra inventory.py deploys/site.py
"""

from pyinfra import local

local.include("deploys/preflight.py")
local.include("deploys/access.py")
local.include("deploys/ssh.py")
local.include("deploys/updates.py")
local.include("deploys/docker.py")
local.include("deploys/firewall.py")
local.include("deploys/swarm.py")
