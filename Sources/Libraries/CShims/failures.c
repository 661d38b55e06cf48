#define _GNU_SOURCE
#include "CShims.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

static const struct {
  int number;
  const char *text;
} reasons[] = {
    {SIGILL, "stopped by SIGILL (a failed internal check, or an instruction that this processor lacks)"},
    {SIGTRAP, "stopped by SIGTRAP (a failed internal check)"},
    {SIGABRT, "stopped by SIGABRT (the program or one of its libraries gave up, for example without memory)"},
    {SIGSEGV, "stopped by SIGSEGV (an invalid address)"},
    {SIGBUS, "stopped by SIGBUS (memory that cannot be read)"},
    {SIGFPE, "stopped by SIGFPE (an impossible number)"},
};
enum { count = sizeof reasons / sizeof *reasons };

// Whole messages, made beforehand: a signal handler may not format.
static char messages[count][512];
static atomic_int told;

static void tell_and_end(int number) {
  int none = 0;
  if (atomic_compare_exchange_strong(&told, &none, 1)) {
    for (int i = 0; i < count; i++) {
      if (reasons[i].number != number) continue;
      ssize_t written = write(STDERR_FILENO, messages[i], strlen(messages[i]));
      (void)written;
    }
    kindred_remove_temporaries();
  }
  // SA_RESETHAND has restored the default, which ends the process with the right status.
  raise(number);
}

void kindred_name_failures(const char *who) {
  // A stack of its own, so that a stack overflow is told as well.
  static char stack[1 << 16];
  sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
  for (int i = 0; i < count; i++) {
    snprintf(messages[i], sizeof messages[i], "%s %s\n", who, reasons[i].text);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    sigemptyset(&action.sa_mask);
    action.sa_handler = tell_and_end;
    action.sa_flags = SA_RESETHAND | SA_NODEFER | SA_ONSTACK;
    sigaction(reasons[i].number, &action, NULL);
  }
}

void kindred_end_with_parent(void) {
#ifdef __linux__
  pid_t parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  // It may have gone before.
  if (getppid() != parent) raise(SIGTERM);
#endif
}
