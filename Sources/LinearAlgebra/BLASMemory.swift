import COpenBLAS
import Glibc

/// Too little memory for OpenBLAS to work in.
public struct BLASMemoryError: Error, Sendable {
  /// The threads that it should work on.
  public let threads: Int

  /// Bytes of addresses that it needs for them, and the system refuses.
  public var neededBytes: Int { threads * blasBufferBytes }

  /// Bytes of addresses that the process may have; nil where there is no limit.
  public var limit: Int? {
    var limit = rlimit()
    let isKnown = getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0
    return isKnown && limit.rlim_cur < 1 << 60 ? Int(limit.rlim_cur) : nil
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
