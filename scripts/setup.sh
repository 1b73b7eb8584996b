#!/bin/sh
# Makes a checkout ready to run: Debian packages, npm packages, the build. Does only what is not done yet,
# so everything that needs it (npm run demo, npm test, npm run bench) simply calls it first.
set -eu
cd "$(dirname "$0")/.."

build_packages='wabt musl-tools gcc libc6-dev'
vm_packages='qemu-system-x86 qemu-utils seabios ovmf swtpm'
judge_packages='erofs-utils cryptsetup-bin libarchive-tools cpio gzip bzip2 xz-utils lzop lz4 zstd kmod binutils
  fdisk mtools dosfstools e2fsprogs xfsprogs squashfs-tools btrfs-progs systemd systemd-container sbsigntool systemd-boot-efi openssl
  tpm2-tools libtss2-tcti-swtpm0
  selinux-utils libcap2-bin busybox-static python3 time chromium fonts-dejavu-core'
fixture_packages='apt dpkg mmdebstrap debian-archive-keyring ca-certificates util-linux mount coreutils findutils'

say() { printf 'setup: %s\n' "$*" >&2; }

missing_packages() {
  # shellcheck disable=SC2086 # the lists are meant to be split
  set -- $build_packages $vm_packages $judge_packages $fixture_packages
  installed=$(dpkg-query -W -f=' ${Package}=${db:Status-Status}\n' "$@" 2>/dev/null || true)
  for package; do
    case "$installed" in
      *" $package=installed"*) ;;
      *) printf '%s ' "$package" ;;
    esac
  done
}

# Programs that chat are heard only when they fail.
quietly() { # command...
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then
    rm "$log"
  else
    cat "$log" >&2
    rm "$log"
    say "Cannot set up: '$*' failed, see the lines above"
    exit 1
  fi
}

install_packages() { # [sudo] package...
  root_by=
  if [ "$1" = sudo ]; then
    root_by=sudo
    shift
  fi
  say "installing Debian packages: $*"
  quietly $root_by apt-get update -q
  quietly $root_by env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
    -o DPkg::Lock::Timeout=600 "$@"
}

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  say "Cannot set up: Node.js 20 and npm are needed first, see https://nodejs.org"
  exit 1
fi

missing=$(missing_packages)
if [ -n "$missing" ]; then
  # shellcheck disable=SC2086 # a list again
  if ! command -v apt-get >/dev/null; then
    say "no apt here, install by hand what these Debian packages hold: $missing"
  elif [ "$(id -u)" = 0 ]; then
    install_packages $missing
  elif command -v sudo >/dev/null; then
    install_packages sudo $missing
  else
    say "not root and no sudo here, have root run: apt-get install --no-install-recommends $missing"
  fi
fi

# npm writes its copy of the lock file last, so an installation that was broken off is seen too.
installed_lock=node_modules/.package-lock.json
if [ ! -e "$installed_lock" ] || [ -n "$(find package-lock.json -newer "$installed_lock")" ]; then
  say "installing npm packages"
  # Not npm ci: npm 11's refuses a lock file made where a mirror lacks some other platform's optional binary.
  # This takes the locked versions and checksums all the same, and does not write to the lock file.
  quietly npm install --no-save --no-audit --no-fund
  touch "$installed_lock"
fi

node scripts/build.mjs

# npm links the commands of what is installed, not the one that is being developed: this is for `npx lazyrd`.
if [ ! -L node_modules/.bin/lazyrd ]; then
  ln -s ../../dist/lazyrd.js node_modules/.bin/lazyrd
fi
