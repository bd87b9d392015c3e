# For tests of the program with little memory: within MIB COMMAND… runs it in a memory cgroup. Where none can be made, the
# test ends here.
group= limit=
for at in /sys/fs/cgroup/memory /sys/fs/cgroup; do
  [ -w $at ] || continue
  group=$at/minke-test-$$
  mkdir $group 2>/dev/null || { group=; continue; }
  for name in memory.limit_in_bytes memory.max; do [ ! -w $group/$name ] || limit=$group/$name; done
  [ -n "$limit" ] && break
  rmdir $group
  group=
done
[ -n "$group" ] || { echo "not tried under a memory limit: no memory cgroup can be made here"; exit 0; }
trap 'rmdir $group; rm -rf "$work"' EXIT
within() { # within MIB COMMAND…
  local mib=$1
  shift
  echo $((mib << 20)) >$limit
  # swap would hide what does not fit
  [ ! -w $group/memory.swap.max ] || echo 0 >$group/memory.swap.max
  # shellcheck disable=SC2016
  bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' $group "$@"
}
# Not everybody who may make a cgroup may put a process into it.
within 200 true 2>err.txt || { echo "no process can be started in a memory cgroup here"; exit 0; }
