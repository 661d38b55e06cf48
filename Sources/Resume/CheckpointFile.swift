import Foundation
import ParticleIO

/// What a checkpoint was made of: names and values, such as `neighbours` and `10`. Two that differ do not
/// belong to one run.
public typealias CheckpointIdentity = [String: String]

extension CheckpointIdentity {
  /// The first name whose value is not that in `present`, in words: "neighbours was 10, now it is 5"; nil where
  /// none differs.
  public func difference(from present: CheckpointIdentity) -> String? {
    let names = Set(keys).union(present.keys).sorted()
    guard let name = names.first(where: { self[$0] != present[$0] }) else { return nil }
    return "\(name) was \(self[name] ?? "not known"), now it is \(present[name] ?? "not known")"
  }
}

/// The layout of a checkpoint file, little-endian as the machine is:
///
///     mark (8 bytes) | version (8) | identity: length (8), "name\tvalue\n" ... | content |
///     CRC-32 of all before (8) | length of all before (8) | end mark (8)
///
/// Content is what `add` wrote: integers of 8 bytes, arrays as their length and their elements.
enum CheckpointLayout {
  package static let mark: UInt64 = 0x5043_4452_444e_494b  // "KINDRDCP"
  static let endMark: UInt64 = 0x444e_4552_444e_494b  // "KINDREND"
  /// Of this layout and of what the program writes into it: one more with every change of either.
  package static let version = 6
  static let trailer = 24
}

/// Writes a checkpoint: under a temporary name until it is complete.
public final class CheckpointWriter {
  private let file: OutputFile
  private let head: Checksum
  private let headLength: Int
  /// CRC-32 of the content so far.
  public private(set) var content = Checksum()

  /// - Throws: `OutputError`.
  public init(path: String, identity: CheckpointIdentity) throws {
    let file = try OutputFile(path: path)
    let text = identity.sorted { $0.key < $1.key }.map { "\($0.key)\t\($0.value)\n" }.joined()
    let words = [
      CheckpointLayout.mark, UInt64(CheckpointLayout.version), UInt64(text.utf8.count),
    ]
    let bytes = words.withUnsafeBytes { Array($0) } + Array(text.utf8)
    var head = Checksum()
    try bytes.withUnsafeBytes {
      head.add($0)
      try file.append($0)
    }
    self.file = file
    self.head = head
    headLength = bytes.count
  }

  private func put(_ bytes: UnsafeRawBufferPointer) throws {
    content.add(bytes)
    try file.append(bytes)
  }

  private func put(_ word: UInt64) throws {
    try withUnsafeBytes(of: word) { try put($0) }
  }

  /// - Throws: `OutputError`, for example on a full disk.
  public func add(_ value: Int) throws { try put(UInt64(bitPattern: Int64(value))) }
  /// - Throws: `OutputError`.
  public func add(_ value: Double) throws { try put(value.bitPattern) }

  /// The number of values, and then their bytes.
  /// - Throws: `OutputError`.
  public func add<T: BitwiseCopyable>(_ values: [T]) throws {
    try add(values.count)
    try values.withUnsafeBytes { try put($0) }
  }

  /// Bytes of the file so far.
  public var byteCount: Int { file.count }

  /// Flushes the file to the disk and gives it its name. Throws `OutputError`.
  public func finish() throws {
    let length = file.count
    let whole = head.followed(by: content, length: length - headLength)
    let trailer = [UInt64(whole.value), UInt64(length), CheckpointLayout.endMark]
    try trailer.withUnsafeBytes { try file.append($0) }
    try file.finish()
  }
}

/// Why a checkpoint is not used: cut short, corrupt, or of another run.
public struct CheckpointDefect: Error, CustomStringConvertible, Sendable {
  /// The checkpoint.
  public let path: String
  /// What is wrong with it.
  public let reason: String
  public var description: String { "\(path): \(reason)" }

  /// A defect of the file at `path`.
  public init(path: String, _ reason: String) {
    self.path = path
    self.reason = reason
  }
}

/// A checkpoint whose checksum is right, read piece by piece as it was written.
public struct CheckpointReader {
  /// The file.
  public let path: String
  /// What the checkpoint was made of.
  public let identity: CheckpointIdentity
  /// CRC-32 of the whole content.
  public let content: Checksum
  private let bytes: [UInt8]
  private var cursor: Int
  private let end: Int

  /// Reads and checks a whole file.
  /// - Parameters:
  ///   - path: the file.
  ///   - expected: the identity that it must have; names that either lacks count as different.
  /// - Throws: `CheckpointDefect` where it cannot be read or used.
  public init(path: String, expected: CheckpointIdentity) throws {
    func defect(_ reason: String) -> CheckpointDefect { CheckpointDefect(path: path, reason) }
    let bytes: [UInt8]
    do {
      let file = try InputFile(path: path)
      var content = [UInt8](repeating: 0, count: file.byteCount)
      try content.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
      bytes = content
    } catch let error as InputError {
      throw defect(error.message)
    }
    func word(_ place: Int) -> UInt64 {
      bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: place, as: UInt64.self) }
    }
    var head = 24
    let end = bytes.count - CheckpointLayout.trailer
    guard bytes.count >= 16, word(0) == CheckpointLayout.mark else {
      throw defect("is not a checkpoint")
    }
    guard word(8) == UInt64(CheckpointLayout.version) else {
      throw defect(
        "has format version \(word(8)); this program's is \(CheckpointLayout.version)")
    }
    guard end >= head, word(end + 16) == CheckpointLayout.endMark, word(end + 8) == UInt64(end)
    else { throw defect("is cut short, after \(bytes.count) bytes") }
    let length = Int(truncatingIfNeeded: word(16))
    let corrupt = defect("is corrupt: its checksum does not fit its content")
    guard length >= 0, length <= end - head else { throw corrupt }
    let text = String(decoding: bytes[head..<head + length], as: UTF8.self)
    head += length
    var (checksum, content) = (Checksum(), Checksum())
    bytes.withUnsafeBytes {
      checksum.add(UnsafeRawBufferPointer(rebasing: $0[..<head]))
      content.add(UnsafeRawBufferPointer(rebasing: $0[head..<end]))
    }
    checksum = checksum.followed(by: content, length: end - head)
    guard word(end) == UInt64(checksum.value) else { throw corrupt }
    var identity: CheckpointIdentity = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false)
      identity[String(parts[0])] = parts.count > 1 ? String(parts[1]) : ""
    }
    if let difference = identity.difference(from: expected) {
      throw defect("is of another run: \(difference)")
    }
    self.path = path
    self.identity = identity
    self.content = content
    self.bytes = bytes
    self.end = end
    cursor = head
  }

  private mutating func take(_ count: Int) throws -> Range<Int> {
    guard count >= 0, count <= end - cursor else {
      throw CheckpointDefect(path: path, "is corrupt: its content ends too early")
    }
    defer { cursor += count }
    return cursor..<cursor + count
  }

  /// The next piece, which must have been written as this type.
  /// - Throws: `CheckpointDefect` where the content ends before.
  public mutating func int() throws -> Int {
    let place = try take(8).lowerBound
    return Int(bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: place, as: Int64.self) })
  }

  /// The next piece as the number of pieces that follow it, each of which takes 8 bytes at least.
  /// - Throws: `CheckpointDefect` where there cannot be so many.
  package mutating func count() throws -> Int {
    let count = try int()
    guard count >= 0, count <= (end - cursor) / 8 else {
      throw CheckpointDefect(path: path, "is corrupt: its content ends too early")
    }
    return count
  }

  /// - Throws: `CheckpointDefect` where there is more than has been read.
  package func expectEnd() throws(CheckpointDefect) {
    if cursor < end {
      throw CheckpointDefect(path: path, "is corrupt: its content does not end where it should")
    }
  }

  /// The next number.
  /// - Throws: `CheckpointDefect` where there is none.
  public mutating func double() throws -> Double {
    Double(bitPattern: UInt64(bitPattern: Int64(try int())))
  }

  /// The next array, as `add` wrote it.
  /// - Throws: `CheckpointDefect` where the content ends too early.
  public mutating func array<T: BitwiseCopyable>(of type: T.Type = T.self) throws -> [T] {
    let count = try int()
    guard count >= 0, count <= end / MemoryLayout<T>.stride else {
      throw CheckpointDefect(path: path, "is corrupt: its content ends too early")
    }
    let place = try take(count * MemoryLayout<T>.stride)
    return [T](unsafeUninitializedCapacity: count) { buffer, initialized in
      bytes.withUnsafeBytes {
        UnsafeMutableRawBufferPointer(buffer).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: $0[place]))
      }
      initialized = count
    }
  }
}
