import Foundation
import TestSupport

/// What many tests begin with, made once: simulated sets, and undisturbed runs to compare with. Copies are given away.
///
/// It is kept in the folder `KINDRED_TESTS_FOLDER`, which the test processes of `cluster/run-tests` share, or in one of
/// this process.
enum MadeOnce {
  // Only its path is read.
  nonisolated(unsafe) private static let own = Result { try TemporaryFolder() }

  private static func folder() throws -> String {
    if let shared = ProcessInfo.processInfo.environment["KINDRED_TESTS_FOLDER"] { return shared }
    return try own.get().path
  }

  /// Copies to `path` what `make` has put into the folder it is given, now or for an earlier caller with this key.
  static func copy(_ key: [String], to path: String, make: (String) throws -> Void) throws {
    let manager = FileManager.default
    let place = try "\(folder())/\(digest(key.flatMap { Array($0.utf8) + [0] }))"
    if !manager.fileExists(atPath: place) {
      let new = "\(place)-\(UUID().uuidString)"
      try manager.createDirectory(atPath: new, withIntermediateDirectories: true)
      try make(new)
      // Another process may have been faster.
      if rename(new, place) != 0 { try manager.removeItem(atPath: new) }
    }
    try manager.copyItem(atPath: place, toPath: path)
  }

  /// Of all files of a folder, for a key.
  static func digest(of folder: String) throws -> String {
    let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    return try files.map { name in
      let data = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))
      return "\(name) \(digest(Array(data)))"
    }.joined(separator: "\n")
  }

  /// FNV-1a with 64 bits.
  private static func digest(_ bytes: [UInt8]) -> String {
    let hash = bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01B3
    }
    return String(hash, radix: 16)
  }
}

extension Command {
  /// `average` of the set in the folder `set`, undisturbed, into `output`: run once for the same set, options and ranks.
  /// Tables and averages are those of such a run; paths in its record may be of another folder.
  static func averageOnce(
    _ folder: TemporaryFolder, to output: String, _ options: [String], ranks: Int
  ) throws {
    let key = ["average", try MadeOnce.digest(of: folder.file("set")), "\(ranks)"] + options
    try MadeOnce.copy(key, to: folder.file(output)) { made in
      let run = try run(
        ["average", folder.file("set/particles.star"), "--output", made] + options, ranks: ranks)
      if run.status != 0 { throw SmallSet.Failure(text: run.text) }
    }
  }
}
