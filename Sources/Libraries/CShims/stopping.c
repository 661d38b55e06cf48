#define _POSIX_C_SOURCE 200809L
#include "CShims.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>

static atomic_int asked;

int kindred_stop_asked(void) { return atomic_load(&asked); }

// What SIGTERM does where the program does not end by itself.
static struct sigaction ending;

static void ask(int number) {
  int saved = errno;
  int none = 0;
  atomic_compare_exchange_strong(&asked, &none, number);
  // Open MPI follows its SIGTERM with SIGKILL after a second.
  if (number == SIGTERM) {
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 600000}, NULL);
  }
  errno = saved;
}

static void end(int number) {
  (void)number;
  sigaction(SIGTERM, &ending, NULL);
  raise(SIGTERM);
}

void kindred_stop_when_asked(void) {
  kindred_remove_temporaries_when_ended();
  struct sigaction action;
  memset(&action, 0, sizeof action);
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  action.sa_handler = ask;
  sigaction(SIGUSR1, &action, NULL);
  if (sigaction(SIGTERM, NULL, &ending) != 0 || ending.sa_handler == SIG_IGN) return;
  sigaction(SIGTERM, &action, NULL);
  // SIGTERM must get through while its successor runs.
  action.sa_flags = SA_NODEFER;
  action.sa_handler = end;
  sigaction(SIGALRM, &action, NULL);
}
