#!/bin/sh
# pyinfra-swarm: undo a change that nobody has confirmed.
# usage: restore SUBJECT           undo it now, and let the running system read its files
#        restore --boot            undo all of them, before the network is up
#        restore --late            the rest of it, once other file systems may be mounted
# and for the run that makes the change:
#        restore --arm SUBJECT SECONDS AFTER [file:USER:PATH | password:USER]...
#        restore --unlock USER     a locked password, so that sshd takes the user's keys
#        restore --failed SUBJECT  undo it: the change has ended, and is not to stay
#        restore --confirm SUBJECT | --forget SUBJECT
# exit:  0 done; 1 a person has to see to it; 3 the files are back, and the running system does not
#        take them; 4 not all of it could be put back, or read, now: it is tried again, reading
#        for an hour
set -u
LC_ALL=C
export LC_ALL
root=/var/lib/pyinfra-swarm/rollback
UNREAD=3 LATER=4 LOST=5
TRIES=120 # to read the files, one each 30 seconds

say() { echo "pyinfra-swarm: $*"; }
unit() { echo "pyinfra-swarm-rollback-$1"; }

marked() { # MARK...: the subjects that have one of these
    for name do
        for mark in "$root"/*/"$name"; do
            [ -e "$mark" ] || continue
            mark=${mark%/*}
            echo "${mark##*/}"
        done
    done
}

waiting() { marked armed firing; } # the subjects whose change nobody has confirmed

# Root goes nowhere by a path that a user can bend: what lies in a user's folder is read, written
# and put back as that user, and what a user can stop or hang, for a limited time.
as() { # USER COMMAND...
    who=$1
    shift
    if [ "$who" = root ]; then
        "$@" 9<&-
        return
    fi
    timeout -k 5 30 setpriv --reuid "$who" --regid "$(id -g "$who")" --init-groups "$@" 9<&-
}

# --- where a path lies ------------------------------------------------------------------------

real() { # PATH: with the links among its folders resolved, as far as there are folders
    folder=${1%/*} rest=/${1##*/}
    until there=$(cd -P "${folder:-/}" 2>/dev/null && pwd -P); do
        rest=/${folder##*/}$rest folder=${folder%/*}
    done
    echo "${there%/}$rest"
}

mount_of() { # PATH: the mount it is on, and its type, without touching it: that may hang
    point='' kind=''
    while read -r _ _ _ _ here options; do
        case $1/ in
        "${here%/}"/*)
            [ ${#here} -lt ${#point} ] || { point=$here kind=${options##* - } kind=${kind%% *}; } ;;
        esac
    done < /proc/self/mountinfo
    echo "$point $kind"
}

on() { # PHASE PATH MOUNT: the path is on the mount on which it was saved
    [ "$(mount_of "$2")" != "$3" ] || return 0
    [ "$1" != boot ] || return 1
    timeout -k 5 20 ls "${3% *}/." >/dev/null 2>&1 # mounts what is mounted when it is needed
    [ "$(mount_of "$2")" = "$3" ]
}

# --- one file, one password -------------------------------------------------------------------

# shellcheck disable=SC2016 # it is expanded by the user's own shell
keep='
path=$1 copy=$2
if [ -e "$path" ] || [ -h "$path" ]; then
    [ -h "$path" ] || [ -f "$path" ] || { echo "$path is no file" >&2; exit 1; }
    rm -f "$copy" "$copy.spare" "$copy.new"
    cp -aT "$path" "$copy" && cp -aT "$copy" "$copy.spare" && echo saved
else echo absent; fi'

save() { # USER PATH N: a line of “files”
    path=$(real "$2")
    folder=${path%/*}
    if ! id -u "$1" >/dev/null 2>&1; then
        [ ! -e "$path" ] || { say "$path is there, but there is no user $1" >&2; return 1; }
        state=absent copy=-
    else
        copy=$folder/.${path##*/}.pyinfra-swarm
        if [ "$1" = root ] && [ -d "$folder" ]; then
            # On the same file system, so that putting it back needs no room on a full one.
            copy=$root/$subject/saved
            if [ "$(stat -c %d "$folder")" != "$(stat -c %d "$copy")" ]; then
                copy=$(stat -c %m "$folder")
                copy=${copy%/}/.pyinfra-swarm-rollback/$subject
                mkdir -p "$copy" || return 1
            fi
            copy=$copy/$3
        fi
        state=$(as "$1" sh -c "$keep" keep "$path" "$copy") || {
            say "$path could not be saved, so nothing is changed" >&2
            return 1
        }
    fi
    # What a user's process says is one of two words, or it could name files of root's.
    case $state in saved | absent) ;; *)
        say "$path could not be saved: a process of $1 said something else" >&2
        return 1 ;;
    esac
    mount=$(mount_of "$path")
    case $path$copy in *[[:space:]]*)
        say "$2 leads to a path with blanks, which could not be put back" >&2
        return 1 ;;
    esac
    echo "$state $1 $path $copy $mount"
}

# The spare copy takes the place of what is there: a rename, so it needs no room on a full disk, and
# a power cut leaves the one or the other. Whoever has to do it once more makes another spare.
# shellcheck disable=SC2016 # likewise
put='
state=$1 path=$2 copy=$3
if [ "$state" = absent ]; then
    [ -e "$path" ] || [ -h "$path" ] || exit 0
    rm -f "$path"
    exit
fi
[ -e "$copy" ] || [ -h "$copy" ] || { echo "the copy of $path is gone" >&2; exit 5; }
[ -d "${path%/*}" ] || { echo "${path%/*} is gone" >&2; exit 5; }
if [ "$(stat -c "%f %u %g" "$path" 2>/dev/null)" = "$(stat -c "%f %u %g" "$copy")" ]; then
    if [ -h "$copy" ]; then [ "$(readlink "$path")" != "$(readlink "$copy")" ] || exit 0
    else ! cmp -s "$path" "$copy" || exit 0; fi
fi
spare=$copy.spare
if [ ! -e "$spare" ] && [ ! -h "$spare" ]; then
    spare=$copy.new
    cp -aT "$copy" "$spare" || { rm -f "$spare"; exit 1; }
fi
mv -fT "$spare" "$path"'

put_back() { # USER STATE PATH COPY
    if ! id -u "$1" >/dev/null 2>&1; then
        [ "$2" = absent ] || return $LOST
        return 0
    fi
    as "$1" sh -c "$put" put "$2" "$3" "$4"
}

# “!HASH” is locked, and sshd without PAM refuses even the right key; “*HASH” is not locked, and no
# password. So only this sign is changed: the hash stays where it is, and comes nowhere else.
sign() { # USER FROM TO
    pattern=$(printf %s "$1" | sed 's/[^A-Za-z0-9_-]/[&]/g')
    tries=0
    while :; do
        found=
        while IFS=: read -r name field _; do
            [ "$name" != "$1" ] || found=${field%"${field#?}"}
        done < /etc/shadow
        [ "$found" = "$2" ] || return 0
        [ $tries -lt 3 ] || return 1
        # vipw takes a file for unchanged that was written in the same second.
        [ $tries = 0 ] || sleep 1
        tries=$((tries + 1))
        VISUAL="sed -i 's/^$pattern:[$2]/$1:$3/'" vipw -q -s >/dev/null 2>&1 </dev/null
    done
}

# --- undoing ----------------------------------------------------------------------------------

put_all_back() { # PHASE: what could not be put back is in “lost” and “later”
    while read -r state user path copy mount; do
        case $state in
        saved | absent)
            if on "$1" "$path" "$mount"; then
                put_back "$user" "$state" "$path" "$copy"
                case $? in 0) ;; "$LOST") lost="$lost $path" ;; *) later="$later $path" ;; esac
            else
                say "$path is left for later: ${mount% *} is not mounted" >&2
                later="$later $path"
            fi ;;
        password) ;;
        *) lost="$lost $path" ;;
        esac
    done < "$place/files"
}

restore() ( # SUBJECT now|failed|boot|late
    place=$root/$1
    [ -d "$place" ] || exit 0
    exec 9< "$root"
    flock -w 120 9 || { say "another change is still being undone" >&2; exit $LATER; }
    lost='' later='' now=firing
    if mv "$place/armed" "$place/firing" 2>/dev/null || [ -e "$place/firing" ]; then
        say "the change to $1 was not confirmed; putting back what was there"
        [ -r "$place/files" ] || { say "$place/files is gone" >&2; exit 1; }
        put_all_back "$2"
    elif [ -e "$place/retrying" ]; then now=retrying # the files are back, and not touched again
    else exit 0; fi
    sync
    code=0
    if [ "$2" != boot ] && [ -s "$place/after" ]; then
        sh "$place/after" 9<&- || code=$?
        case $code in 0 | "$LATER") ;; *) code=$UNREAD ;; esac
    fi
    # Last, and only where all is back and read: a running sshd without PAM refuses whoever is
    # locked.
    if [ "$lost$later$code" = 0 ]; then
        while read -r state user _; do
            [ "$state" = password ] || continue
            sign "$user" '*' '!' || later=" /etc/shadow"
            sync
        done < "$place/files"
    fi
    # Whoever makes the change holds this lock: what it writes from now on has to be undone, too.
    if [ "$2" != failed ] && ! flock -n "$place/files" true; then
        say "the change to $1 is still being made; it is undone once more when that has ended" >&2
        exit $LATER
    fi
    [ -z "$later" ] || { say "could not be put back yet:$later" >&2; exit $LATER; }
    [ -z "$lost" ] || {
        say "cannot be put back:$lost. Fix it by hand, then: rm -r $place" >&2
        [ $code != "$LATER" ] || exit $LATER
        exit 1
    }
    case $code in
    0) next=restored ;;
    "$LATER")
        next=retrying
        echo >> "$place/tries" # a line for each, so that a file that was cut counts as well
        if [ "$(wc -l < "$place/tries")" -lt $TRIES ]; then
            say "the files of $1 are back, and could not be read yet; that is tried again" >&2
        else
            code=$UNREAD
            say "the files of $1 are back, and could not be read in $TRIES tries. They are read at" \
                "the next boot. To try it before: sh $0 $1" >&2
        fi ;;
    *) next=unread ;;
    esac
    [ $now = $next ] || mv "$place/$now" "$place/$next"
    exit $code
)

restore_all() { # boot|late
    code=0
    for subject in $(marked armed firing retrying); do
        restore "$subject" "$1"
        this=$?
        [ $this = 0 ] || [ $code = $LATER ] || code=$this
    done
    return $code
}

# --- arming, confirming: arm.sh ---

main() {
    case ${1-} in
    --boot) restore_all boot ;;
    --late) restore_all late ;;
    --arm) shift; arm "$@" ;;
    --failed) restore "$2" failed ;;
    --confirm) confirm "$2" ;;
    --forget) forget "$2" ;;
    --unlock) sign "$2" '!' '*' ;;
    '' | -*) sed -n '3,13s/^# //p' "$0" >&2; return 2 ;;
    *) restore "$1" now ;;
    esac
}
main "$@"
