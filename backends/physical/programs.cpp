#include "backends/physical/programs.hpp"

namespace envgate::backends::physical::programs {
namespace {

// printf, read, kill and test are the shell's own: no process has a secret among its arguments, and looking
// for a customer's processes makes none.
constexpr char kBegin[] = R"sh(set -eu
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
state=/var/lib/envgate
fail() { printf '%s\n' "$*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "the admin account has not the rights of root"
echo 'envgate: begin'
)sh";

constexpr char kDone[] = R"sh(
echo 'envgate: done'
)sh";

// One of our programs at a time: the ssh of an earlier one may be gone while it still works.
constexpr char kLock[] = R"sh(
exec 9>/run/envgate.lock
flock -w 20 9 || { echo 'an earlier operation is still at work' >&2; exit 75; }
mkdir -p "$state"
)sh";

constexpr char kAccounts[] = R"sh(
read_block() {
  block=
  while IFS= read -r line && [ -n "$line" ]; do block="$block$line
"; done
}
# An account of /etc/passwd.
account() {
  user=$1 uid= gid= home= shadowed=
  while IFS=: read -r name x u g _ h _; do
    if [ "$name" = "$1" ]; then uid=$u gid=$g home=$h shadowed=$x; break; fi
  done </etc/passwd
  case $uid:$gid in :*|*:|*[!0-9:]*) return 1 ;; esac
  case $home in /*) ;; *) return 1 ;; esac
}
IFS= read -r admin
IFS= read -r admin_key
read_block
users=$block
account "$admin" || fail "/etc/passwd has no account $admin"
admin_home=$home
)sh";

// A customer owns his home and can make links in it: what is done there is done with his rights. That process
// is his then, so it has neither our output nor the lock, and not long (he may have made a pipe of a file).
constexpr char kCredentials[] = R"sh(
as_owner() {
  timeout -k 1 5 setpriv --reuid="$uid" --regid="$gid" --clear-groups \
    /bin/sh -c "$1" envgate "$home" 9>&- 2>/dev/null
}
# Standard input becomes the account's only keys. The admin's stays first where it is the admin's home.
own_keys() {
  {
    if [ "$home" = "$admin_home" ]; then printf '%s envgate-admin\n' "$admin_key"; fi
    cat
  } | as_owner 'set -eu
    umask 077
    cd -- "$1"
    mkdir -p .ssh
    chmod 700 .ssh
    rm -rf .ssh/authorized_keys.envgate .ssh/authorized_keys2
    cat >.ssh/authorized_keys.envgate
    [ ! -d .ssh/authorized_keys ] || rm -rf .ssh/authorized_keys
    mv -f .ssh/authorized_keys.envgate .ssh/authorized_keys' >/dev/null ||
    fail "the keys of $user cannot be set"
}
# * is no hash that any password has. ! would be, for an sshd without PAM, an account that no key opens
# either: the admin would be locked out with the customer.
set_hash() {
  if [ "$1" = '*' ]; then
    usermod -p '*' "$user" 9>&-
  else
    printf '%s:%s\n' "$user" "$1" | chpasswd -e 9>&-
  fi
}
hash_of() {
  hash=
  while IFS=: read -r name h _; do
    if [ "$name" = "$1" ]; then hash=$h; break; fi
  done </etc/shadow
}
lock_accounts() {
  for each in $users; do
    account "$each" || continue
    set_hash '*'
    if [ -d "$home" ]; then own_keys </dev/null; fi
  done
}
)sh";

// A stop puts password and keys aside once: the hash comes last, and says that both are there.
constexpr char kAside[] = R"sh(
aside=$state/aside
put_aside() {
  mkdir -p "$aside"
  for each in $users; do
    account "$each" || continue
    [ ! -e "$aside/$user.hash" ] || continue
    as_owner 'cat "$1/.ssh/authorized_keys"' | head -c 1048576 >"$aside/all" || :
    grep -vF -- "$admin_key" "$aside/all" >"$aside/$user.keys" || :
    hash_of "$user"
    printf '%s\n' "$hash" >"$aside/new"
    mv -f "$aside/new" "$aside/$user.hash"
    rm -f "$aside/all"
  done
}
# But for the account $1, whose password is new if $2 is not empty, and its keys, if $3 is not.
put_back() {
  for each in $users; do
    account "$each" || continue
    [ -e "$aside/$user.hash" ] || continue
    IFS= read -r hash <"$aside/$user.hash"
    if [ -n "$hash" ] && { [ "$user" != "$1" ] || [ -z "$2" ]; }; then set_hash "$hash"; fi
    if [ -d "$home" ] && { [ "$user" != "$1" ] || [ -z "$3" ]; }; then own_keys <"$aside/$user.keys"; fi
    rm -f "$aside/$user.hash" "$aside/$user.keys"
  done
}
write_marker() {
  printf '%spower %s\n' "$marker" "$1" >"$state/environment.new"
  mv -f "$state/environment.new" "$state/environment"
}
)sh";

// Those that carry this program: the shell, and above it sudo and sshd.
constexpr char kAncestors[] = R"sh(
look_at() {
  name= parent= real= effective= dead=
  while read -r key a b _; do
    case $key in
      Name:) name=${a%%[!a-z-]*} ;;
      State:) case $a in Z|X) dead=1 ;; esac ;;
      PPid:) parent=$a ;;
      Uid:) real=$a effective=$b; break ;;
    esac
  done 2>/dev/null <"/proc/$1/status" || :
  [ -n "$real" ] && [ -z "$dead" ]
}
spared=' ' p=$$
while [ "$p" -gt 0 ]; do
  spared="$spared$p "
  look_at "$p" || fail "/proc/$p/status cannot be read"
  p=$parent
done
# Where whoever called us is gone, his next call may be waiting already: its session is not for us to end.
still_wanted() {
  for p in $spared; do
    kill -0 "$p" 2>/dev/null || return 1
  done
}
)sh";

// Whose a process is: by its user, unless that is root's; else by the login that the kernel remembers for it
// (loginuid), by its session's cgroup, or because it stems from an authenticated session of sshd, which has
// the account with an @ in its title. Our own ancestors are spared, and so is a listening sshd.
//
// In one pass without a fork, so that nothing of ours is among what it finds.
constexpr char kSessions[] = R"sh(
uids=' ' plain=' ' rooted=
for each in $users; do
  account "$each" || continue
  uids="$uids$uid "
  if [ "$uid" = 0 ]; then rooted=1; else plain="$plain$uid "; fi
done
customers() {
  case $plain in *" $real "*|*" $effective "*) return 0 ;; esac
  group= login=
  while read -r line; do
    # systemd starts a manager for root when we log in ourselves.
    case $line in */user@0.service/init.scope) return 1 ;; esac
    group="$group$line "
  done 2>/dev/null <"/proc/$1/cgroup" || :
  for u in $uids; do
    case $group in *"/user-$u.slice/"*) return 0 ;; esac
  done
  read -r login 2>/dev/null <"/proc/$1/loginuid" || :
  [ -n "$login" ] || return 1
  case $uids in *" $login "*) return 0 ;; esac
  return 1
}
find_processes() {
  doomed=' ' tree= servers=' '
  for directory in /proc/[0-9]*; do
    p=${directory#/proc/}
    look_at "$p" || continue
    tree="$tree $p:$parent:$name"
    case $name in sshd|sshd-session) servers="$servers$p " ;; esac
    case $spared in *" $p "*) continue ;; esac
    if customers "$p"; then doomed="$doomed$p "; fi
  done
  if [ -n "$rooted" ]; then
    for entry in $tree; do
      p=${entry%%:*} name=${entry##*:} parent=${entry#*:} parent=${parent%%:*} title=
      case $name in sshd|sshd-session) ;; *) continue ;; esac
      case $servers in *" $parent "*) ;; *) continue ;; esac
      case $spared$doomed in *" $p "*) continue ;; esac
      IFS= read -r title 2>/dev/null <"/proc/$p/cmdline" || :
      case $title in *@*) doomed="$doomed$p " ;; esac
    done
  fi
  more=1
  while [ -n "$more" ]; do
    more=
    for entry in $tree; do
      p=${entry%%:*} parent=${entry#*:} parent=${parent%%:*}
      case $spared$doomed in *" $p "*) continue ;; esac
      case $doomed in *" $parent "*) doomed="$doomed$p " more=1 ;; esac
    done
  done
  [ "$doomed" != ' ' ]
}
# First asked, for $1 seconds; then stopped and killed, so that none makes another meanwhile.
end_sessions() {
  find_processes || return 0
  rounds=$(($1 * 5))
  still_wanted || fail 'the connection is gone'
  kill -TERM $doomed 2>/dev/null || :
  kill -HUP $doomed 2>/dev/null || :
  while [ "$rounds" -gt 0 ]; do
    sleep 0.2
    find_processes || return 0
    rounds=$((rounds - 1))
  done
  rounds=50
  while [ "$rounds" -gt 0 ]; do
    still_wanted || fail 'the connection is gone'
    kill -STOP $doomed 2>/dev/null || :
    kill -KILL $doomed 2>/dev/null || :
    sleep 0.1
    find_processes || return 0
    rounds=$((rounds - 1))
  done
  fail "processes of the customer do not end:$doomed"
}
)sh";

constexpr char kLook[] = R"sh(
if [ -e "$state/environment" ]; then head -c 4096 "$state/environment"; fi
)sh";

constexpr char kCheck[] = R"sh(
tell() { printf '%s %s\n' "$1" "$2"; }
tell hostname "$(uname -n)"
tell cpus "$(nproc --all)"
while read -r name value _; do
  if [ "$name" = MemTotal: ]; then tell memory_kib "$value"; break; fi
done </proc/meminfo
tell disk_kib "$(df -Pk / | { read -r _; read -r _ size _; echo "$size"; })"
tell boot_id "$(cat /proc/sys/kernel/random/boot_id)"
read -r uptime _ </proc/uptime
tell uptime "${uptime%.*}"
if command -v nvidia-smi >/dev/null; then
  timeout -k 2 15 nvidia-smi -L 2>/dev/null | head -c 16384 | while read -r line; do tell gpu "$line"; done
fi
tell clock "$(date +%s)"
)sh";

constexpr char kGrant[] = R"sh(
read_block
marker=$block
IFS= read -r login
IFS= read -r password
read_block
keys=$block
if [ -n "$login" ]; then
  account "$login" || fail "/etc/passwd has no account $login"
  [ -z "$keys" ] || [ -d "$home" ] || fail "$login has no home directory"
fi
write_marker granting
put_back "$login" "$password" "$keys"
if [ -n "$login" ]; then
  account "$login"
  if [ -n "$password" ]; then printf '%s:%s\n' "$user" "$password" | chpasswd 9>&-; fi
  if [ -n "$keys" ]; then printf '%s' "$keys" | own_keys; fi
fi
write_marker running
)sh";

constexpr char kStop[] = R"sh(
read_block
marker=$block
IFS= read -r grace
put_aside
lock_accounts
end_sessions "$grace"
lock_accounts
if [ -n "$marker" ]; then write_marker stopped; fi
)sh";

// Sessions end before the lock is taken: a program of the customer's, where he is root, may hold it.
constexpr char kDrain[] = R"sh(
IFS= read -r grace
end_sessions "$grace"
)sh";
constexpr char kDrainLocked[] = R"sh(
lock_accounts
end_sessions 0
lock_accounts
rm -rf "$state/aside"
)sh";

constexpr char kClean[] = R"sh(
IFS= read -r environment
IFS= read -r seconds
rm -f "$state"/clean.*
script=$(mktemp "$state/clean.XXXXXXXX")
cat >"$script"
ENVGATE_ENVIRONMENT=$environment timeout -k 5 "$seconds" /bin/sh "$script" \
  </dev/null >"$script.out" 2>&1 9>&- &
work=$!
# It ends with the connection: whoever comes next begins it anew, and would wait for the lock.
while sleep 0.3; do
  still_wanted || { kill -TERM "$work"; exit; }
done </dev/null >/dev/null 2>&1 9>&- &
watch=$!
status=0
wait "$work" || status=$?
kill "$watch" 2>/dev/null || :
tail -c 2048 "$script.out"
rm -f "$script" "$script.out"
if [ "$status" = 124 ]; then fail "it has not ended within $seconds s"; fi
if [ "$status" != 0 ]; then fail "it ended with status $status"; fi
)sh";

constexpr char kVerify[] = R"sh(
rm -rf "$state/environment" "$state/environment.new" "$state/aside"
rounds=50
while find_processes && [ "$rounds" -gt 0 ]; do sleep 0.2; rounds=$((rounds - 1)); done
for p in $doomed; do echo "process $p"; done
if [ -e "$state/environment" ]; then echo 'marker is there'; fi
while IFS=: read -r name _ u _; do
  if [ "$u" = 0 ] && [ "$name" != root ] && [ "$name" != "$admin" ]; then
    case "
$users" in *"
$name
"*) ;; *) printf 'superuser %s\n' "$name" ;; esac
  fi
done </etc/passwd
for each in $users; do
  if ! account "$each"; then echo "account $each absent"; continue; fi
  hash_of "$user"
  [ "$shadowed" = x ] || hash=  # a hash in /etc/passwd itself would be the one in force
  case $hash in '*'|'!'*) echo "account $user locked" ;; *) echo "account $user open" ;; esac
  for file in authorized_keys authorized_keys2; do
    as_owner "cd -- \"\$1\" && cat .ssh/$file" | head -c 65536 | while IFS= read -r line || [ -n "$line" ]; do
      printf 'key %s %s\n' "$user" "$line"
    done || :
  done
done
)sh";

const std::string kWithAccounts = std::string(kBegin) + kAccounts;

}  // namespace

const std::string& look() {
  static const std::string text = std::string(kBegin) + kLook + kDone;
  return text;
}

const std::string& check() {
  static const std::string text = std::string(kBegin) + kCheck + kDone;
  return text;
}

const std::string& grant() {
  static const std::string text = kWithAccounts + kLock + kCredentials + kAside + kGrant + kDone;
  return text;
}

const std::string& stop() {
  static const std::string text =
      kWithAccounts + kLock + kCredentials + kAside + kAncestors + kSessions + kStop + kDone;
  return text;
}

const std::string& drain() {
  static const std::string text =
      kWithAccounts + kCredentials + kAncestors + kSessions + kDrain + kLock + kDrainLocked + kDone;
  return text;
}

const std::string& clean() {
  static const std::string text = std::string(kBegin) + kAncestors + kLock + kClean + kDone;
  return text;
}

const std::string& verify() {
  static const std::string text =
      kWithAccounts + kLock + kCredentials + kAncestors + kSessions + kVerify + kDone;
  return text;
}

}  // namespace envgate::backends::physical::programs
