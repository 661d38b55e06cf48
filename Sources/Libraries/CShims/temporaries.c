#define _POSIX_C_SOURCE 200809L
#include "CShims.h"
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// A fixed table, because a signal handler may not allocate or lock.
enum { slots = 64, length = 4096 };
enum { vacant, filling, taken };
static atomic_int states[slots];
static char paths[slots][length];

int kindred_temporary_add(const char *path) {
  if (strlen(path) >= length) return -1;
  for (int slot = 0; slot < slots; slot++) {
    int expected = vacant;
    if (!atomic_compare_exchange_strong(&states[slot], &expected, filling)) continue;
    strcpy(paths[slot], path);
    atomic_store(&states[slot], taken);
    return slot;
  }
  return -1;
}

void kindred_temporary_forget(int slot) {
  if (slot >= 0) atomic_store(&states[slot], vacant);
}

void kindred_remove_temporaries(void) {
  for (int slot = 0; slot < slots; slot++) {
    // A folder goes when it is empty.
    if (atomic_load(&states[slot]) == taken && unlink(paths[slot]) != 0) rmdir(paths[slot]);
  }
}

static void remove_and_end(int number) {
  kindred_remove_temporaries();
  // Open MPI kills all ranks of a node as soon as the first has gone: give those time that have files to
  // remove and no processor yet.
  nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
  // SA_RESETHAND has restored the default, which ends the process with the right status.
  raise(number);
}

void kindred_remove_temporaries_when_ended(void) {
  const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
  for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    struct sigaction action;
    // A signal that is ignored (nohup) or has a handler keeps what it has.
    if (sigaction(numbers[i], NULL, &action) != 0 || action.sa_handler != SIG_DFL) continue;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = remove_and_end;
    action.sa_flags = SA_RESETHAND | SA_NODEFER;
    sigaction(numbers[i], &action, NULL);
  }
}
