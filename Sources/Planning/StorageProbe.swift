import Foundation
import MPI
import ParticleIO

/// Measures how fast the disk takes what has been written.
struct StorageProbe {
  /// A folder that rank 0 can write in.
  let folder: String

  private static let byteCount = 1 << 26
  /// Too short for `OutputFile` to have it stored at once.
  private static let piece = OutputFile.bufferLimit / 2

  /// Seconds from the last byte written until the disk has all, for each byte; the median of five files. The same
  /// on every rank. Collective; throws `ReportedError` on all ranks where the folder cannot be written.
  func measure(on comm: Communicator) throws -> Double {
    let times = try comm.agree { comm.isRoot ? try (0..<5).map { try seconds(file: $0) } : [] }
    return try comm.broadcast(times).sorted()[2] / Double(Self.byteCount)
  }

  private func seconds(file number: Int) throws -> Double {
    let path = "\(folder)/stored-\(number)"
    let file = try OutputFile(path: path)
    defer { unlink(path) }
    let bytes = [UInt8](repeating: 1, count: Self.piece)
    for offset in stride(from: 0, to: Self.byteCount, by: Self.piece) {
      try bytes.withUnsafeBytes { try file.write($0, at: offset) }
    }
    let start = Communicator.wallTime()
    try file.finish()
    return Communicator.wallTime() - start
  }
}
