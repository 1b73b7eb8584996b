/*
 * What wasm2c's output expects of its surroundings, and no more: one linear memory, and traps.
 *
 * Used instead of wabt's wasm-rt-impl.c, which brings stdio, signals and tables that this program has no use for.
 */
#include <string.h>
#include <sys/reboot.h>
#include <fcntl.h>
#include <unistd.h>

#include "wasm-rt.h"

enum {
  WASM_PAGE = 65536,
  /* asconfig.json: maximumMemory. Zero pages cost nothing until they are written. */
  MOST_PAGES = 256,
};

static uint8_t linear_memory[(size_t)MOST_PAGES * WASM_PAGE];

uint32_t wasm_rt_call_stack_depth;

bool wasm_rt_is_initialized(void) {
  return true;
}

/* Types are for indirect calls; the program has none, and would not link if it had. */
uint32_t wasm_rt_register_func_type(uint32_t parameters, uint32_t results, ...) {
  (void)parameters;
  (void)results;
  return 0;
}

void wasm_rt_allocate_memory(wasm_rt_memory_t *memory, uint32_t initial_pages, uint32_t max_pages) {
  memory->data = linear_memory;
  memory->pages = initial_pages;
  memory->max_pages = max_pages < MOST_PAGES ? max_pages : MOST_PAGES;
  memory->size = initial_pages * WASM_PAGE;
}

uint32_t wasm_rt_grow_memory(wasm_rt_memory_t *memory, uint32_t pages) {
  uint32_t before = memory->pages;
  if (pages > memory->max_pages - before) return UINT32_MAX;
  memory->pages += pages;
  memory->size += pages * WASM_PAGE;
  return before;
}

void wasm_rt_free_memory(wasm_rt_memory_t *memory) {
  memory->size = 0;
}

/*
 * An access outside the memory, or a broken assumption: the program must not go on. Ending PID 1 makes the kernel
 * panic, and it reboots if the program got as far as asking for that.
 */
void wasm_rt_trap(wasm_rt_trap_t trap) {
  static const char message[] = "<3>lazyrd: FAILED: internal fault 0 in the first stage, stopping\n";
  char line[sizeof message];
  int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
  memcpy(line, message, sizeof message);
  *strchr(line, '0') += (char)trap;
  if (log < 0 || write(log, line, sizeof line - 1) < 0) (void)!write(STDERR_FILENO, line, sizeof line - 1);
  _exit(1);
}
