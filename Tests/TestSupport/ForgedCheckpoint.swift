import Foundation
import ParticleIO

/// A checkpoint changed after it was written, with the checksum that its new content should have.
package struct ForgedCheckpoint {
  private let path: String
  /// Everything before the trailer.
  private let head: Data
  private let end: Data
  /// Where the content begins.
  private let start: Int

  /// A whole checkpoint: mark, version, identity with its length before it, content, trailer of three words.
  package init(path: String) throws {
    self.path = path
    let whole = try Data(contentsOf: URL(fileURLWithPath: path))
    head = whole.dropLast(24)
    end = whole.suffix(8)
    start = 24 + whole.withUnsafeBytes { Int($0.loadUnaligned(fromByteOffset: 16, as: Int64.self)) }
  }

  /// Words of 8 bytes that the content begins with.
  package var wordCount: Int { (head.count - start) / 8 }

  /// A word of the content, little-endian as the machine is.
  package func word(_ number: Int) -> Int64 {
    head.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: start + 8 * number, as: Int64.self) }
  }

  /// Writes the checkpoint with one word of its content changed.
  package func write(_ word: Int64, at number: Int) throws {
    var content = head
    content.withUnsafeMutableBytes {
      $0.storeBytes(of: word, toByteOffset: start + 8 * number, as: Int64.self)
    }
    try write(content)
  }

  /// Writes the checkpoint without what follows some of its words.
  package func write(words count: Int) throws { try write(head.prefix(start + 8 * count)) }

  /// Writes it as it was.
  package func restore() throws { try write(head) }

  private func write(_ content: Data) throws {
    var checksum = Checksum()
    content.withUnsafeBytes { checksum.add($0) }
    let numbers = [UInt64(checksum.value), UInt64(content.count)]
    let trailer = numbers.withUnsafeBytes { Data($0) } + end
    try (content + trailer).write(to: URL(fileURLWithPath: path))
  }
}

/// What no count, index or size can be, or only here and there.
package let forgedWords: [Int64] = [
  0, 1, -1, 3, 1 << 31, -(1 << 31), 1 << 40, .max, .min, .max / 8,
  Int64(bitPattern: Double.nan.bitPattern), Int64(bitPattern: Double.infinity.bitPattern),
  Int64(bitPattern: Double(-2.5).bitPattern),
  // Two floats that are not numbers.
  Int64(bitPattern: 0x7fc0_0000_7fc0_0000),
]
