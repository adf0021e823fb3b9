# Runs a command as a container engine would, as far as Linux alone can: in a root file system that holds nothing but
# what is named, read-only but for /tmp, as a user without a name, home or capabilities, who cannot get any.
#
# unshare --mount sh bare_root.sh ROOT UID GID FOLDER SOURCE=TARGET… -- [NAME=VALUE…] COMMAND…
# ROOT: an empty folder. FOLDER: made in the new root, to run the command in. Needs root, and leaves nothing mounted.
set -eu
root=$1 user=$2 group=$3 folder=$4
shift 4

mount -t tmpfs -o mode=755 tmpfs "$root"
# First, as what is shown may be below it.
mkdir "$root/tmp"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
while [ "$1" != -- ]; do
    source=${1%%=*} target=$root${1#*=}
    shift
    if [ -L "$source" ]; then
        cp -P "$source" "$target"
    elif [ -e "$source" ]; then
        mkdir -p "$target"
        mount --bind -o ro "$source" "$target"
    fi
done
shift
mkdir -p "$root/proc" "$root/dev" "$root$folder"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -o remount,ro "$root"
exec chroot "$root" setpriv --reuid "$user" --regid "$group" --clear-groups --no-new-privs --bounding-set=-all \
    --inh-caps=-all --pdeathsig KILL env --chdir "$folder" --ignore-environment "$@"
