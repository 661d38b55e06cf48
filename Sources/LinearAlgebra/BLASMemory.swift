import COpenBLAS
import Glibc

/// Too little memory for OpenBLAS to work in.
public struct BLASMemoryError: Error, CustomStringConvertible, Sendable {
  let threads: Int

  public var description: String {
    var limit = rlimit()
    let isLimited =
      getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0 && limit.rlim_cur < 1 << 60
    let needed = threads * (blasBufferBytes >> 20)
    return
      "too little memory for linear algebra: the system refuses the \(needed) MiB of addresses that "
      + "OpenBLAS needs on --threads \(threads)"
      + (isLimited
        ? " (ulimit -v is \(limit.rlim_cur >> 10) KiB); raise that limit" : "; use fewer threads")
  }
}

/// What OpenBLAS maps for a thread that works in it: BUFFER_SIZE of its x86-64 builds, the largest of all.
private let blasBufferBytes = 32 << 22

/// Has OpenBLAS take the memory that it works in, for so many threads: one that finds too little later tries
/// again for ever. From then on it uses one thread, but within `withBLASThreads`.
/// - Throws: `BLASMemoryError` where there is too little.
public func reserveBLASMemory(threads: Int) throws {
  let bytes = threads * blasBufferBytes
  // Only addresses are asked for; OpenBLAS will touch little of them.
  let place = mmap(
    nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
  if place == MAP_FAILED { throw BLASMemoryError(threads: threads) }
  munmap(place, bytes)
  openblas_set_num_threads(1)
  // Large enough for all threads.
  let matrix = Matrix(rows: 256, columns: 256, storage: .init(repeating: 0, count: 1 << 16))
  _ = withBLASThreads(threads) { matrix * matrix }
}
