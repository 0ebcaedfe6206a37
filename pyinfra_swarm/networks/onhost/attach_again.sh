#!/bin/sh
# On a manager: has a node's engine, by the node's id, try again to attach to its networks.
# Uses update_node.sh.
: "${node?}"

update_node "$node"
