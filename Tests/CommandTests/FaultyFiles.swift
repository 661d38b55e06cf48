import Foundation
import TestSupport

/// A library that is loaded before the C library and makes reads and writes fail as disks and network file
/// systems do. Made by the C compiler, once.
enum FaultyFiles {
  static let canCompile = Command.canRun("cc")

  /// The environment that makes the calls of `function` ("pwrite", "pread", "fsync", "close", "rename" or "open")
  /// on files whose path contains `path` fail with `error`: the `first` of them, counted from 1, and all that
  /// follow. "SHORT" moves one byte less than half of what was asked for, "EINTR" interrupts every other call;
  /// "TOUCH" and "TRUNCATE" change the file before the `first` call.
  static func environment(
    _ function: String, _ error: String, path: String, first: Int = 1, rank: Int? = nil
  ) throws -> [String: String] {
    let code = ["ENOSPC": ENOSPC, "EIO": EIO, "ESTALE": ESTALE, "EINTR": EINTR, "EROFS": EROFS]
    return [
      "LD_PRELOAD": try library.get().file("faulty.so"), "FAULTY_FUNCTION": function,
      "FAULTY_ERROR": code[error].map { "\($0)" } ?? error, "FAULTY_PATH": path,
      "FAULTY_FIRST": "\(first)", "FAULTY_RANK": rank.map { "\($0)" } ?? "",
    ]
  }

  // Only its path is read.
  nonisolated(unsafe) private static let library = Result {
    let folder = try TemporaryFolder()
    try folder.write(source, to: "faulty.c")
    let made = try Command.runProgram([
      "cc", "-shared", "-fPIC", "-o", folder.file("faulty.so"), folder.file("faulty.c"), "-ldl",
    ])
    if made.status != 0 { throw SmallSet.Failure(text: made.text) }
    return folder
  }

  private static let source = #"""
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <fcntl.h>
    #include <stdarg.h>
    #include <stdatomic.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/stat.h>
    #include <unistd.h>

    static atomic_int calls;
    enum { fails = -1, whole, is_short };

    static int outcome(const char *function, const char *path) {
      const char *wanted = getenv("FAULTY_FUNCTION"), *rank = getenv("FAULTY_RANK");
      const char *mine = getenv("OMPI_COMM_WORLD_RANK");
      if (!wanted || strcmp(wanted, function) || !strstr(path, getenv("FAULTY_PATH"))) return whole;
      if (*rank && (!mine || strcmp(mine, rank))) return whole;
      int call = ++calls;
      int first = atoi(getenv("FAULTY_FIRST"));
      if (call < first) return whole;
      const char *error = getenv("FAULTY_ERROR");
      if (!strcmp(error, "TOUCH") || !strcmp(error, "TRUNCATE")) {
        struct stat status;
        int bad = call == first && error[1] == 'O' && utimensat(AT_FDCWD, path, NULL, 0);
        bad |= call == first && error[1] == 'R' &&
            (stat(path, &status) || truncate(path, status.st_size - 1000));
        if (bad) abort();
        return whole;
      }
      if (!strcmp(error, "SHORT")) return is_short;
      if (atoi(error) == EINTR && call % 2 == 0) return whole;
      errno = atoi(error);
      return fails;
    }

    static int of_file(const char *function, int file) {
      char link[64], path[4096];
      snprintf(link, sizeof link, "/proc/self/fd/%d", file);
      ssize_t length = readlink(link, path, sizeof path - 1);
      if (length < 0) return whole;
      path[length] = 0;
      return outcome(function, path);
    }

    #define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
    #define MOVES(name, function, pointer)                                  \
      ssize_t name(int file, pointer bytes, size_t count, off_t offset) {   \
        int how = of_file(function, file);                                  \
        if (how == fails) return -1;                                        \
        if (how == is_short && count > 2) count = count / 2 - 1 ? count / 2 - 1 : 1; \
        return REAL(name)(file, bytes, count, offset);                      \
      }
    MOVES(pread, "pread", void *)
    MOVES(pread64, "pread", void *)
    MOVES(pwrite, "pwrite", const void *)
    MOVES(pwrite64, "pwrite", const void *)

    int fsync(int file) { return of_file("fsync", file) == fails ? -1 : REAL(fsync)(file); }
    int close(int file) {
      // The descriptor is gone, whatever close says.
      int how = of_file("close", file), reason = errno, closed = REAL(close)(file);
      if (how == fails) { errno = reason; return -1; }
      return closed;
    }
    int rename(const char *from, const char *to) {
      return outcome("rename", to) == fails ? -1 : REAL(rename)(from, to);
    }
    #define OPENS(name)                                                     \
      int name(const char *path, int flags, ...) {                          \
        va_list rest;                                                       \
        va_start(rest, flags);                                              \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;           \
        va_end(rest);                                                       \
        return outcome("open", path) == fails ? -1 : REAL(name)(path, flags, mode); \
      }
    OPENS(open)
    OPENS(open64)
    """#
}
