#!/usr/bin/env bash
# Makes the real-world inputs that tests and benchmarks run on, from Debian 12's own packages:
#
#   scripts/fixtures.sh kernels/6.12-amd64 initrds/dracut-6.12-amd64.img
#
# Each NAME is made when it is missing and its path printed on stdout; progress goes to stderr. NAMEs are
#   kernels/FLAVOUR                boot/vmlinuz-*, boot/config-* and lib/modules/* of a kernel package
#   trees/GENERATOR                a Debian system in which that initrd generator is installed (takes root)
#   trees/minimal                  a Debian system that boots, and does no more (takes root)
#   initrds/GENERATOR-FLAVOUR.img  the generic initrd it makes for that kernel (takes root)
#   systemd/trixie                 systemd's stubs and ukify as in Debian 13, which Debian 12 does not have
#   all                            the lot: about 4 minutes on two cores, 1.8 GB
# FLAVOUR is 6.12-amd64, 6.1-amd64 or 6.1-cloud-amd64; GENERATOR is dracut, initramfs-tools or dracut-squash (dracut with its
# module of that name, which is not in all: only benchmarks compare it), for initrds also dracut-microcode: dracut's
# archive behind an uncompressed one with CPU microcode.
#
# A NAME is a link to a name that tells what it was made from: a kernel's the release, a tree's a digest of its package
# list, an initrd's both. So a changed list makes new fixtures. To take newer packages, delete .cache/fixtures.
set -euo pipefail

suite=bookworm
flavours=(6.12-amd64 6.1-amd64 6.1-cloud-amd64)
generators=(dracut initramfs-tools dracut-squash)

# What a generic initrd has to cope with: encrypted, striped and networked roots, TPM and FIDO2 keys, a splash.
common_packages=(
  systemd systemd-sysv udev dbus kmod zstd xz-utils cpio procps less nano kbd console-setup locales
  e2fsprogs xfsprogs btrfs-progs dosfstools cryptsetup lvm2 mdadm dmraid multipath-tools
  iproute2 iputils-ping nfs-common open-iscsi iscsiuio nvme-cli
  tpm2-tools libtss2-tcti-device0 libfido2-1 opensc pcscd
  plymouth plymouth-themes firmware-linux-free
)
dracut_packages=(dracut dracut-network network-manager binutils)
squash_packages=(dracut-squash squashfs-tools)
# A system that initrds can hand over to, as small as reaches multi-user.target by itself.
minimal_packages=(systemd systemd-sysv udev dbus kmod)
initramfs_tools_packages=(initramfs-tools busybox cryptsetup-initramfs)

# Those of dracut's modules that it leaves out of a generic initrd unless told.
dracut_extra_modules='tpm2-tss fido2 pcsc pkcs11'

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
fixtures=$repository/.cache/fixtures
making=$fixtures/.making

say() { printf 'fixtures: %s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

# Root where it can be had. What cannot do without it calls need_root first.
as_root() {
  if ((EUID == 0)) || ! command -v sudo >/dev/null; then
    "$@"
  else
    sudo "$@"
  fi
}

need_root() { # what
  ((EUID == 0)) || command -v sudo >/dev/null ||
    fail "Cannot make $1: installing a Debian system into a folder takes root, and sudo is not installed"
  as_root unshare --mount true ||
    fail "Cannot make $1: root may not mount here; outside of a container, or with CAP_SYS_ADMIN in it, it can"
}

# Programs that chat are heard only when they fail.
quietly() { # what command...
  local what=$1
  shift
  "$@" >"$making/log" 2>&1 || {
    cat "$making/log" >&2
    fail "Cannot make $what: see the lines above"
  }
}

# The last step of every fixture: what stands under its real name is complete, wherever this script was stopped.
publish() { # made-path real-name link-name
  local folder
  folder=$fixtures/$(dirname "$3")
  mkdir -p "$folder"
  # It can be there already when this script was stopped before it made the link.
  [[ -e $folder/$2 ]] || as_root mv -T "$1" "$folder/$2"
  if [[ -d $folder/$2 ]]; then
    ln -sfn "$2" "$fixtures/$3"
  else
    # Hard, because xz, zstd and their kind refuse to read a symbolic link.
    ln -f "$folder/$2" "$fixtures/$3"
  fi
}

is_published() { # real-name link-name
  [[ $fixtures/$(dirname "$2")/$1 -ef $fixtures/$2 ]]
}

digest_of() { printf '%s ' "$@" | sha256sum | cut -c 1-12; }

package_lists_are_fresh=
refresh_package_lists() {
  [[ -z $package_lists_are_fresh ]] || return 0
  package_lists_are_fresh=yes
  as_root apt-get update -qq >&2 || say "the package lists could not be refreshed: going on with those that are there"
}

# --- kernels -------------------------------------------------------------------------------------------------------

kernel_release() { readlink "$fixtures/kernels/$1"; }

make_kernel() { # flavour
  local flavour=$1 meta package release
  [[ ! -d $fixtures/kernels/$flavour ]] || return 0
  case $flavour in
    6.12-amd64) meta=linux-image-6.12-amd64 ;;
    6.1-amd64) meta=linux-image-amd64 ;;
    6.1-cloud-amd64) meta=linux-image-cloud-amd64 ;;
    *) fail "Cannot make kernel '$flavour': expected one of ${flavours[*]}" ;;
  esac
  refresh_package_lists
  # A meta package depends on the kernel image that is current, which is named after its release.
  package=$(apt-cache depends --important "$meta" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p')
  release=${package#linux-image-}
  [[ $release == "${flavour%%-*}".* ]] ||
    fail "Cannot make kernel $flavour: apt has no $meta for it, which is in the main and security suites of Debian 12"

  say "kernel $release: downloading"
  (cd "$making" && quietly "kernel $flavour" apt-get download -q -o APT::Sandbox::User=root "$package")
  say "kernel $release: unpacking"
  dpkg-deb -x "$making/$package"_*.deb "$making/kernel"
  depmod -b "$making/kernel" "$release"
  publish "$making/kernel" "$release" "kernels/$flavour"
}

# --- trees ---------------------------------------------------------------------------------------------------------

# Prints the packages of a generator's tree, one a line.
tree_packages() { # generator
  case $1 in
    dracut) printf '%s\n' "${common_packages[@]}" "${dracut_packages[@]}" ;;
    dracut-squash) printf '%s\n' "${common_packages[@]}" "${dracut_packages[@]}" "${squash_packages[@]}" ;;
    initramfs-tools) printf '%s\n' "${common_packages[@]}" "${initramfs_tools_packages[@]}" ;;
    minimal) printf '%s\n' "${minimal_packages[@]}" ;;
    *) fail "Cannot make a tree for '$1': expected one of ${generators[*]} or minimal" ;;
  esac
}

# The machine's own Debian sources as lines of a sources.list: the same mirror, and nothing that is not Debian's.
debian_sources() {
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  # shellcheck disable=SC2016 # apt replaces these names, not the shell
  apt-get indextargets 'Created-By: Packages' 'Origin: Debian' --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' |
    sed -n "s|^[^ ]* $suite.*|deb [signed-by=$keyring] &|p" | sort -u
}

make_tree() { # generator
  local packages real
  packages=$(tree_packages "$1")
  real=$1-$(digest_of "$packages")
  ! is_published "$real" "trees/$1" || return 0
  need_root "tree $1"
  refresh_package_lists
  say "tree $1: installing Debian $suite with it"
  debian_sources >"$making/sources.list"
  # The mounts that this takes are in a name space of its own, which ends with it, however it ends.
  quietly "tree $1" as_root unshare --mount mmdebstrap --mode=root --variant=minbase \
    --include="${packages//$'\n'/,}" --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    "$suite" "$making/tree" "$making/sources.list"
  publish "$making/tree" "$real" "trees/$1"
}

# Runs a program inside a tree that sees one kernel; what it leaves in /mnt is found in the work folder.
in_tree() { # generator release program...
  local tree=$fixtures/trees/$1 kernel=$fixtures/kernels/$2
  shift 2
  # shellcheck disable=SC2016 # the inner shell expands this
  as_root unshare --mount sh -euc '
    tree=$1 kernel=$2 out=$3
    shift 3
    mkdir -p "$tree/usr/lib/modules"
    mount -t proc proc "$tree/proc"
    mount --rbind /dev "$tree/dev"
    mount -o bind,ro "$kernel/lib/modules" "$tree/usr/lib/modules"
    mount -o bind,ro "$kernel/boot" "$tree/boot"
    mount --bind "$out" "$tree/mnt"
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TZ=UTC chroot "$tree" "$@"
  ' in-tree "$(readlink -f "$tree")" "$kernel" "$making" "$@"
}

# --- systemd -------------------------------------------------------------------------------------------------------

# Stubs that know profiles and addons, and ukify with the module it needs; only unpacked, so that nothing is upgraded.
systemd_packages=(systemd-boot-efi systemd-ukify python3-pefile)

# apt with the lists of another suite, apart from the machine's own.
apt_of_suite() { # suite command...
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg state=$making/apt
  mkdir -p "$state/lists"
  echo "deb [signed-by=$keyring] $(debian_mirror) $1 main" >"$state/sources"
  shift
  apt-get -q -o Dir::Etc::SourceList="$state/sources" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$state/lists" \
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root "$@"
}

# Where the machine has its Debian packages from.
debian_mirror() {
  # shellcheck disable=SC2016 # apt replaces these names, not the shell
  apt-get indextargets 'Created-By: Packages' 'Origin: Debian' --format '$(REPO_URI) $(RELEASE)' |
    sed -n "s|^\([^ ]*\) $suite\$|\1|p" | sed -n 1p
}

make_systemd() { # suite
  local package real
  [[ $1 == trixie ]] || fail "Cannot make systemd '$1': expected trixie"
  real=$1-$(digest_of "${systemd_packages[@]}")
  ! is_published "$real" "systemd/$1" || return 0
  say "systemd of $1: downloading"
  quietly "systemd/$1" apt_of_suite "$1" update
  (cd "$making" && quietly "systemd/$1" apt_of_suite "$1" download "${systemd_packages[@]}")
  for package in "$making"/*.deb; do dpkg-deb -x "$package" "$making/systemd"; done
  publish "$making/systemd" "$real" "systemd/$1"
}

# --- initrds -------------------------------------------------------------------------------------------------------

generate_with_dracut() { # release
  run_dracut dracut "$1" "$dracut_extra_modules"
}

# What is large lies in a squashfs image inside the archive, which is loaded and unpacked as a whole all the same.
generate_with_dracut_squash() { # release
  run_dracut dracut-squash "$1" "$dracut_extra_modules squash"
}

run_dracut() { # tree release modules
  in_tree "$1" "$2" dracut --no-hostonly --no-hostonly-cmdline --reproducible --no-early-microcode --zstd \
    --add "$3" --kver "$2" /mnt/initrd
}

generate_with_initramfs_tools() { # release
  # Generic is its default (MODULES=most), zstd too.
  in_tree initramfs-tools "$1" mkinitramfs -o /mnt/initrd "$1"
}

# Not real microcode, which is not in Debian's main: the kernel looks at its header and passes over it.
prepend_microcode() { # initrd result
  local early=$making/early
  mkdir -p "$early/kernel/x86/microcode"
  head -c 2048 /dev/zero | tr '\0' 'm' >"$early/kernel/x86/microcode/GenuineIntel.bin"
  find "$early" -exec touch -d @0 {} +
  (cd "$early" && find kernel | LC_ALL=C sort | cpio --quiet --reproducible -R 0:0 -H newc -o) >"$early.cpio"
  cat "$early.cpio" "$1" >"$2"
}

make_initrd() { # generator flavour
  local generator=${1%-microcode} link=initrds/$1-$2.img release packages real
  packages=$(tree_packages "$generator")
  make_kernel "$2"
  release=$(kernel_release "$2")
  real=$1-$release-$(digest_of "$packages" "$dracut_extra_modules").img
  ! is_published "$real" "$link" || return 0
  if [[ $1 == dracut-microcode ]]; then
    make_initrd dracut "$2"
    say "initrd $1-$2: putting microcode in front"
    prepend_microcode "$fixtures/initrds/dracut-$2.img" "$making/initrd"
  else
    make_tree "$generator"
    need_root "initrd $1-$2"
    say "initrd $1-$2: generating"
    quietly "initrd $1-$2" "generate_with_${generator//-/_}" "$release"
    # Generators make initrds that only root may read, since a real one can hold keys.
    as_root chown "$(id -u):$(id -g)" "$making/initrd"
    chmod 644 "$making/initrd"
  fi
  publish "$making/initrd" "$real" "$link"
}

# --- names ---------------------------------------------------------------------------------------------------------

# The short ones first: whoever waits for a kernel does not wait for all initrds.
all_names() {
  printf 'kernels/%s\n' "${flavours[@]}"
  printf 'initrds/dracut-%s.img\n' "${flavours[@]}"
  printf 'initrds/initramfs-tools-%s.img\n' 6.12-amd64 6.1-amd64
  printf 'initrds/dracut-microcode-%s.img\n' 6.12-amd64
  printf 'systemd/trixie\n'
}

make_fixture() { # name
  local stem flavour
  case $1 in
    kernels/*) make_kernel "${1#kernels/}" ;;
    trees/*) make_tree "${1#trees/}" ;;
    systemd/*) make_systemd "${1#systemd/}" ;;
    initrds/*-6.*.img)
      stem=$(basename "$1" .img)
      flavour=6.${stem#*-6.}
      make_initrd "${stem%"-$flavour"}" "$flavour"
      ;;
    *) fail "Cannot make '$1': expected kernels/FLAVOUR, trees/GENERATOR, initrds/GENERATOR-FLAVOUR.img, systemd/trixie or all" ;;
  esac
  echo "$fixtures/$1"
}

main() {
  local names=("$@") name
  (($# > 0)) || fail "Cannot make fixtures: name at least one, or all"
  [[ $* != all ]] || mapfile -t names < <(all_names)

  mkdir -p "$fixtures"
  # One at a time: a second caller waits here and then finds what it asked for.
  exec 9>"$fixtures/.lock"
  flock 9
  trap 'as_root rm -rf --one-file-system "$making"' EXIT
  for name in "${names[@]}"; do
    as_root rm -rf --one-file-system "$making"
    mkdir "$making"
    make_fixture "$name"
  done
}

main "$@"
