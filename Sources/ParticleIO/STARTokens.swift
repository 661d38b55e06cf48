import Foundation

/// A STAR file's bytes, with a NUL after them so that C's number parsing stops.
final class STARSource: @unchecked Sendable {
  // Written by `init` only; that is why sharing is safe.
  let bytes: UnsafeMutableRawBufferPointer
  let count: Int

  /// Reads the whole file; throws `InputError`.
  init(path: String) throws {
    let file = try InputFile(path: path)
    count = file.byteCount
    bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: file.byteCount + 1, alignment: 8)
    bytes[count] = 0
    try file.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[0..<count]), at: 0)
  }

  deinit { bytes.deallocate() }

  /// The end of the line that starts at `start`: its newline or the end of the file.
  func endOfLine(from start: Int) -> Int {
    guard start < count, let newline = memchr(bytes.baseAddress! + start, 10, count - start) else {
      return count
    }
    return UnsafeRawPointer(newline) - UnsafeRawPointer(bytes.baseAddress!)
  }

  /// The next cell of a line, quotes removed; nil at the line's end, at a comment, and (with
  /// `unterminated` set) at a quote that is never closed.
  func nextCell(_ position: inout Int, end: Int, unterminated: inout Bool) -> STARCell? {
    var start = position
    while start < end, bytes[start] <= 32 { start += 1 }
    guard start < end, bytes[start] != UInt8(ascii: "#") else {
      position = end
      return nil
    }
    let first = bytes[start]
    if first == UInt8(ascii: "\"") || first == UInt8(ascii: "'") {
      // A quote closes only before white space, so that 5' may stand in a value.
      var close = start + 1
      while close < end {
        if bytes[close] == first, close + 1 == end || bytes[close + 1] <= 32 {
          position = close + 1
          return STARCell(start: start + 1, end: close)
        }
        close += 1
      }
      unterminated = true
      position = end
      return nil
    }
    var stop = start + 1
    while stop < end, bytes[stop] > 32 { stop += 1 }
    position = stop
    return STARCell(start: start, end: stop)
  }

  func text(_ cell: STARCell) -> String {
    String(decoding: bytes[cell.start..<cell.end], as: UTF8.self)
  }

  /// The cell as a finite number, nil when it is none.
  func number(_ cell: STARCell) -> Double? {
    guard cell.start < cell.end else { return nil }
    // strtod also takes white space, nan, inf and hexadecimal numbers.
    for i in cell.start..<cell.end {
      switch bytes[i] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"),
        UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
        continue
      default: return nil
      }
    }
    let start = bytes.baseAddress!.assumingMemoryBound(to: CChar.self) + cell.start
    var stop: UnsafeMutablePointer<CChar>?
    let value = strtod(start, &stop)
    guard stop == start + (cell.end - cell.start), value.isFinite else { return nil }
    return value
  }
}

/// Where one value lies in its file's bytes, without its quotes.
struct STARCell {
  var start: Int
  var end: Int
}
