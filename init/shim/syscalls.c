/*
 * The system calls that the first stage imports. Each function checks that the memory it is handed lies inside the
 * program's linear memory, makes the call, and returns the result or -errno. Nothing is decided here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "init.h"

typedef struct Z_kernel_instance_t {
  wasm_rt_memory_t *memory;
  char **arguments;
  char **environment;
} kernel_t;

/* `length` bytes at `address`, all of them inside the linear memory. */
static void *bytes(kernel_t *kernel, u32 address, u32 length) {
  if ((u64)address + length > kernel->memory->size) wasm_rt_trap(WASM_RT_TRAP_OOB);
  return kernel->memory->data + address;
}

/* A text at `address` whose final NUL is inside the linear memory too. */
static const char *text(kernel_t *kernel, u32 address) {
  const char *start = bytes(kernel, address, 1);
  if (memchr(start, 0, kernel->memory->size - address) == NULL) wasm_rt_trap(WASM_RT_TRAP_OOB);
  return start;
}

static u32 answer(long result) {
  return (u32)(result < 0 ? -errno : result);
}

u32 Z_kernelZ_openat(kernel_t *k, u32 directory, u32 path, u32 flags, u32 mode) {
  return answer(openat((int)directory, text(k, path), (int)flags, mode));
}

u32 Z_kernelZ_close(kernel_t *k, u32 descriptor) {
  (void)k;
  return answer(close((int)descriptor));
}

u32 Z_kernelZ_read(kernel_t *k, u32 descriptor, u32 buffer, u32 length) {
  return answer(read((int)descriptor, bytes(k, buffer, length), length));
}

u32 Z_kernelZ_pread(kernel_t *k, u32 descriptor, u32 buffer, u32 length, u64 offset) {
  return answer(pread((int)descriptor, bytes(k, buffer, length), length, (off_t)offset));
}

u32 Z_kernelZ_readahead(kernel_t *k, u32 descriptor, u64 offset, u32 length) {
  (void)k;
  return answer(readahead((int)descriptor, (off_t)offset, length));
}

u32 Z_kernelZ_write(kernel_t *k, u32 descriptor, u32 buffer, u32 length) {
  return answer(write((int)descriptor, bytes(k, buffer, length), length));
}

u32 Z_kernelZ_pwrite(kernel_t *k, u32 descriptor, u32 buffer, u32 length, u64 offset) {
  return answer(pwrite((int)descriptor, bytes(k, buffer, length), length, (off_t)offset));
}

u32 Z_kernelZ_getdents64(kernel_t *k, u32 descriptor, u32 buffer, u32 length) {
  return answer(syscall(SYS_getdents64, (int)descriptor, bytes(k, buffer, length), length));
}

u32 Z_kernelZ_readlinkat(kernel_t *k, u32 directory, u32 path, u32 buffer, u32 length) {
  return answer(readlinkat((int)directory, text(k, path), bytes(k, buffer, length), length));
}

u32 Z_kernelZ_statx(kernel_t *k, u32 directory, u32 path, u32 flags, u32 mask, u32 buffer, u32 length) {
  enum { STATX_STRUCT = 256 };
  if (length < STATX_STRUCT) wasm_rt_trap(WASM_RT_TRAP_OOB);
  return answer(syscall(SYS_statx, (int)directory, text(k, path), (int)flags, mask, bytes(k, buffer, length)));
}

u32 Z_kernelZ_statfs(kernel_t *k, u32 path, u32 buffer, u32 length) {
  if (length < sizeof(struct statfs)) wasm_rt_trap(WASM_RT_TRAP_OOB);
  return answer(syscall(SYS_statfs, text(k, path), bytes(k, buffer, length)));
}

u32 Z_kernelZ_mkdir(kernel_t *k, u32 path, u32 mode) {
  return answer(mkdir(text(k, path), mode));
}

u32 Z_kernelZ_mknod(kernel_t *k, u32 path, u32 mode, u32 device) {
  return answer(syscall(SYS_mknodat, AT_FDCWD, text(k, path), mode, device));
}

u32 Z_kernelZ_symlink(kernel_t *k, u32 target, u32 path) {
  return answer(symlink(text(k, target), text(k, path)));
}

u32 Z_kernelZ_unlinkat(kernel_t *k, u32 directory, u32 path, u32 flags) {
  return answer(unlinkat((int)directory, text(k, path), (int)flags));
}

u32 Z_kernelZ_chmod(kernel_t *k, u32 path, u32 mode) {
  return answer(chmod(text(k, path), mode));
}

u32 Z_kernelZ_lchown(kernel_t *k, u32 path, u32 uid, u32 gid) {
  return answer(lchown(text(k, path), uid, gid));
}

u32 Z_kernelZ_mount(kernel_t *k, u32 source, u32 target, u32 type, u32 flags, u32 data) {
  return answer(mount(text(k, source), text(k, target), text(k, type), flags, text(k, data)));
}

u32 Z_kernelZ_umount2(kernel_t *k, u32 target, u32 flags) {
  return answer(umount2(text(k, target), (int)flags));
}

u32 Z_kernelZ_pivot_root(kernel_t *k, u32 new_root, u32 put_old) {
  return answer(syscall(SYS_pivot_root, text(k, new_root), text(k, put_old)));
}

u32 Z_kernelZ_chroot(kernel_t *k, u32 path) {
  return answer(chroot(text(k, path)));
}

u32 Z_kernelZ_chdir(kernel_t *k, u32 path) {
  return answer(chdir(text(k, path)));
}

u32 Z_kernelZ_ioctl(kernel_t *k, u32 descriptor, u32 request, u32 buffer, u32 length) {
  return answer(ioctl((int)descriptor, (int)request, bytes(k, buffer, length)));
}

u32 Z_kernelZ_add_key(kernel_t *k, u32 type, u32 description, u32 payload, u32 length, u32 keyring) {
  return answer(syscall(SYS_add_key, text(k, type), text(k, description), bytes(k, payload, length), (size_t)length,
                        (int)keyring));
}

u32 Z_kernelZ_finit_module(kernel_t *k, u32 descriptor, u32 parameters, u32 flags) {
  return answer(syscall(SYS_finit_module, (int)descriptor, text(k, parameters), (int)flags));
}

u32 Z_kernelZ_socket(kernel_t *k, u32 family, u32 type, u32 protocol) {
  (void)k;
  return answer(socket((int)family, (int)type, (int)protocol));
}

u32 Z_kernelZ_bind(kernel_t *k, u32 descriptor, u32 address, u32 length) {
  return answer(bind((int)descriptor, bytes(k, address, length), length));
}

u32 Z_kernelZ_connect(kernel_t *k, u32 descriptor, u32 address, u32 length) {
  return answer(connect((int)descriptor, bytes(k, address, length), length));
}

u32 Z_kernelZ_sendto(kernel_t *k, u32 descriptor, u32 buffer, u32 length, u32 address, u32 address_length) {
  return answer(sendto((int)descriptor, bytes(k, buffer, length), length, 0, bytes(k, address, address_length), address_length));
}

u32 Z_kernelZ_setsockopt(kernel_t *k, u32 descriptor, u32 level, u32 option, u32 value, u32 length) {
  return answer(setsockopt((int)descriptor, (int)level, (int)option, bytes(k, value, length), length));
}

u32 Z_kernelZ_wait_writable(kernel_t *k, u32 descriptor, u32 timeout_ms) {
  struct pollfd wanted = {.fd = (int)descriptor, .events = POLLOUT};
  (void)k;
  return answer(poll(&wanted, 1, (int)timeout_ms));
}

u32 Z_kernelZ_memfd_create(kernel_t *k, u32 name, u32 flags) {
  return answer(syscall(SYS_memfd_create, text(k, name), flags));
}

u32 Z_kernelZ_wait_readable(kernel_t *k, u32 descriptor, u32 timeout_ms) {
  struct pollfd wanted = {.fd = (int)descriptor, .events = POLLIN};
  (void)k;
  return answer(poll(&wanted, 1, (int)timeout_ms));
}

u64 Z_kernelZ_clock(kernel_t *k) {
  struct timespec now;
  (void)k;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
}

u32 Z_kernelZ_sleep(kernel_t *k, u32 milliseconds) {
  struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = (long)(milliseconds % 1000) * 1000000};
  (void)k;
  return answer(nanosleep(&time, NULL));
}

u32 Z_kernelZ_sync(kernel_t *k) {
  (void)k;
  sync();
  return 0;
}

u32 Z_kernelZ_reboot(kernel_t *k, u32 command) {
  (void)k;
  return answer(reboot((int)command));
}

u32 Z_kernelZ_execve(kernel_t *k, u32 path, u32 with_arguments) {
  char *program = (char *)text(k, path);
  char *alone[] = {program, NULL};
  k->arguments[0] = program;
  return answer(execve(program, with_arguments ? k->arguments : alone, k->environment));
}

/* The bare call: the C library's fork() also prepares threads and handlers, of which there are none. */
u32 Z_kernelZ_fork(kernel_t *k) {
  (void)k;
  return answer(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

u32 Z_kernelZ_setsid(kernel_t *k) {
  (void)k;
  return answer(setsid());
}

u32 Z_kernelZ_dup2(kernel_t *k, u32 from, u32 to) {
  (void)k;
  return answer(dup2((int)from, (int)to));
}

u32 Z_kernelZ_wait_for(kernel_t *k, u32 process) {
  (void)k;
  return answer(syscall(SYS_wait4, (int)process, NULL, 0, NULL));
}

void Z_kernelZ_exit(kernel_t *k, u32 status) {
  (void)k;
  _exit((int)status);
}

int main(int count, char **arguments, char **environment) {
  static Z_init_instance_t program;
  static char *no_arguments[2];
  kernel_t kernel = {
      .memory = &program.w2c_memory,
      .arguments = count > 0 ? arguments : no_arguments,
      .environment = environment,
  };
  Z_init_init_module();
  Z_init_instantiate(&program, &kernel);
  Z_initZ_run(&program);
  return 1;
}
