#define _GNU_SOURCE
#include "CShims.h"
#include <fcntl.h>

void kindred_start_storing(int file, int64_t offset, int64_t count) {
#ifdef __linux__
  sync_file_range(file, offset, count, SYNC_FILE_RANGE_WRITE);
#endif
}
