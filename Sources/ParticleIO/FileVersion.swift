import Foundation
import Synchronization

/// What tells whether a file has been written to: its size and its time of modification.
struct FileVersion: Equatable, Sendable {
  let byteCount: Int
  /// Seconds and nanoseconds since 1970.
  private let modified: [Int]

  init(_ status: stat) {
    byteCount = Int(status.st_size)
    modified = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
  }

  /// What has happened to a file that was this version and is `now` another one; nil where it is the same.
  func change(to now: FileVersion) -> String? {
    if now == self { return nil }
    let detail =
      now.byteCount == byteCount
      ? "it was written to" : "it had \(byteCount) bytes, now it has \(now.byteCount)"
    return "has changed during the run: \(detail)"
  }
}

/// The stacks as this process found them when it first opened each.
final class StackVersions: Sendable {
  private let versions = Mutex<[Int32: FileVersion]>([:])

  /// Remembers a stack that is seen for the first time.
  /// - Returns: what has happened to it where it was seen before as another version.
  func change(of stack: Int32, to version: FileVersion) -> String? {
    versions.withLock { versions in
      if let known = versions[stack] { return known.change(to: version) }
      versions[stack] = version
      return nil
    }
  }
}
