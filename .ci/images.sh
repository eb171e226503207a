# Stand-ins for official images where no registry answers: Debian's packages in one file system, under the names that the
# tests, the Dockerfile and the compose file use. Of the official images' ways they have those that are relied on here.
# Sourced by run, for its `say`, `install_packages`, `have_packages` and `$work`.

REDIS_IMAGE=redis:8
POSTGRES_IMAGE=postgres:17
NODE_IMAGE=$(sed -n 's/^ARG NODE_IMAGE=//p' infra/docker/Dockerfile)
PROMETHEUS_IMAGE=$(sed -n 's/^ *image: \(prom.*\)/\1/p' infra/docker-compose.yml)

have_image() { docker image inspect "$1" >/dev/null 2>&1 || timeout 120 docker pull --quiet "$1" >/dev/null 2>&1; }

# Redis, PostgreSQL and Docker's compose command, all of one Debian.
make_root() {
  local root=$1
  command -v debootstrap >/dev/null || install_packages debootstrap || return 1
  debootstrap --variant=minbase --include=redis-server,postgresql-17,docker-compose trixie "$root" >"$work/debootstrap.log" 2>&1 ||
    { tail -n 5 "$work/debootstrap.log"; return 1; }
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/var/lib/postgresql/17 \
    "$root"/usr/share/{doc,man,locale,i18n}
  install -m 755 .ci/postgres-entrypoint.sh "$root/usr/local/bin/docker-entrypoint.sh"
}

# The Node that npm brings for this project, and an npm that reaches its registry as this machine's does, but asks it only
# for what this machine has not fetched already.
add_node() {
  local root=$1 cafile
  have_packages || return 1
  cp -L node_modules/node/bin/node "$root/usr/local/bin/node" || return 1
  npm install --global --prefix "$root/usr/local" --loglevel=error npm@11 >/dev/null || return 1
  mkdir -p "$root/usr/local/etc" "$root/root/.npm"
  cp -r "$(npm config get cache)/_cacache" "$root/root/.npm/"
  printf 'registry=%s\nprefer-offline=true\n' "$(npm config get registry)" >"$root/usr/local/etc/npmrc"
  cafile=$(npm config get cafile)
  if [[ -f $cafile ]]; then
    cp "$cafile" "$root/usr/local/etc/ca.pem"
    echo "cafile=/usr/local/etc/ca.pem" >>"$root/usr/local/etc/npmrc"
  fi
}

build_images() {
  local root=$work/rootfs base node='' prometheus=''
  make_root "$root" || return 1
  if add_node "$root"; then node=yes; else echo "No image of Node can be made, so that of this project is not built."; fi
  if command -v prometheus >/dev/null; then cp -L "$(command -v prometheus)" "$root/usr/local/bin/prometheus" && prometheus=yes; fi
  docker compose version >/dev/null 2>&1 || use_compose_of "$root"

  base=$(docker create "$(tar --create --directory "$root" . | docker import -)" true) || return 1
  image() { local name=$1; shift; docker commit "${@/#/--change=}" "$base" "$name" >/dev/null; }
  image "$REDIS_IMAGE" 'WORKDIR /data' 'EXPOSE 6379' 'CMD ["redis-server", "--protected-mode", "no"]' &&
    image "$POSTGRES_IMAGE" 'EXPOSE 5432' 'ENV PGDATA=/var/lib/postgresql/data' \
      'ENV PATH=/usr/lib/postgresql/17/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
      'ENTRYPOINT ["docker-entrypoint.sh"]' 'CMD ["postgres"]' &&
    { [[ -z $node ]] || image "$NODE_IMAGE"; } &&
    { [[ -z $prometheus ]] || image "$PROMETHEUS_IMAGE" 'EXPOSE 9090' 'ENTRYPOINT ["prometheus"]'; }
  local status=$?
  docker rm "$base" >/dev/null
  return $status
}

# The command is one file that runs on older Debians, too.
use_compose_of() {
  mkdir -p "$work/docker-config/cli-plugins"
  cp "$1/usr/libexec/docker/cli-plugins/docker-compose" "$work/docker-config/cli-plugins/" &&
    export DOCKER_CONFIG=$work/docker-config
}
