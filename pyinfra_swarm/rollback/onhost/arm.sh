#!/bin/sh
# The part of rollback.sh that makes a change one that can be undone: save, arm the timer, confirm.
# shellcheck disable=SC2154,SC2086 # root and LATER are set by rollback.sh; LATER is a number

arm() ( # SUBJECT SECONDS AFTER WORD...
    set -e
    umask 077
    subject=$1 seconds=$2 after=$3 place=$root/$1
    shift 3
    # What is saved, and the login that confirms, must not rest on a change that may be undone.
    pending=$(waiting)
    [ -z "$pending" ] || {
        say "an earlier change is not undone yet, so nothing is changed:" "$pending" >&2
        exit 1
    }
    stop "$subject"
    clear "$subject"
    mkdir -p "$place/saved"
    printf %s "$after" > "$place/after"
    n=0
    for word do
        case $word in
        file:*)
            word=${word#file:}
            save "${word%%:*}" "${word#*:}" $n ;;
        password:*) echo "password ${word#*:} - -" ;;
        esac
        n=$((n + 1))
    done > "$place/files"
    sync
    # The timer, then the marker, then a look at the timer: a host that sleeps between any two of
    # them has no change without a timer. A marker without a timer would undo at the next boot,
    # however late, what the owner has changed since.
    systemd-run --quiet --collect --unit="$(unit "$subject")" --on-active="$seconds" \
        --timer-property=AccuracySec=1s \
        --property=RestartForceExitStatus=$LATER --property=RestartSec=30 \
        /bin/sh "$0" "$subject"
    : > "$place/armed"
    sync -f "$place"
    systemctl --quiet is-active "$(unit "$subject").timer" || {
        rm -f "$place/armed"
        say "the timer that undoes the change does not run, so nothing is changed" >&2
        exit 1
    }
)

stop() { systemctl stop "$(unit "$1").timer" "$(unit "$1").service" 2>/dev/null || :; } # SUBJECT

clear() { # SUBJECT: everything that was kept for it
    if [ -e "$root/$1/files" ]; then
        while read -r state user _ copy mount; do
            [ "$state" = saved ] || continue
            on late "$copy" "$mount" || continue
            as "$user" rm -f "$copy" "$copy.spare" "$copy.new" 2>/dev/null || :
            case $copy in */.pyinfra-swarm-rollback/*)
                rmdir "${copy%/*}" "${copy%/*/*}" 2>/dev/null || : ;;
            esac
        done < "$root/$1/files"
    fi
    rm -rf "${root:?}/${1:?}"
}

confirm() ( # SUBJECT
    set -e
    sync # the change itself, or a power cut could leave half of it and no marker
    mv "$root/$1/armed" "$root/$1/confirmed"
    sync -f "$root/$1"
    stop "$1"
    clear "$1" || :
)

forget() { # SUBJECT: what was there before is not to come back
    rm -f "$root/$1/armed" "$root/$1/firing"
    stop "$1"
    clear "$1"
}
