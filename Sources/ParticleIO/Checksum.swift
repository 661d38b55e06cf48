import CZlib

/// The CRC-32 of a stretch of bytes, as zlib has it: tells content that has changed from content that
/// has not.
public struct Checksum: Sendable {
  /// Of all bytes so far.
  public private(set) var value: UInt32 = 0

  /// That of no bytes.
  public init() {}

  /// Goes on with these bytes.
  public mutating func add(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.bindMemory(to: UInt8.self).baseAddress else { return }
    value = UInt32(crc32_z(UInt(value), start, bytes.count))
  }

  /// Goes on with the text's bytes in UTF-8.
  public mutating func add(_ text: String) {
    var copy = text
    copy.withUTF8 { add(UnsafeRawBufferPointer($0)) }
  }

  /// That of these bytes and, after them, `length` bytes with the checksum `other`.
  package func followed(by other: Checksum, length: Int) -> Checksum {
    var whole = self
    whole.value = UInt32(crc32_combine(UInt(value), UInt(other.value), length))
    return whole
  }

  /// Eight hexadecimal digits.
  public var text: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}
